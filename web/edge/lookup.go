package edge

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"snowlink/infra/lru"
	"snowlink/shortener"
)

// entry is what memory has of a code: a link, or that there is none.
type entry struct {
	record shortener.Record
	known  bool
}

func sizeOf(key string, en *entry) int {
	r := &en.record
	return int(unsafe.Sizeof(entry{})) + 2*len(key) + len(r.Target) + len(r.FallbackURL) + len(r.Title)
}

// errLimited ends a load that would have had to ask the api on behalf of an address that has asked for
// too many unknown codes.
var errLimited = errors.New("address has asked for too many unknown codes")

// serveMiss answers for a code that memory does not have, or not fresh.
func (e *Edge) serveMiss(ctx *fasthttp.RequestCtx, ref shortener.Ref, answer answer) {
	en, err := e.load(ref, e.addressLimited(ctx))
	switch {
	case errors.Is(err, errLimited):
		e.serveLimited(ctx)
	case err != nil:
		e.metrics.outcome(outcomeUnavailable)
		e.log.Warn("link not resolved", "domain", ref.Domain, "code", ref.Code, "error", err)
		e.pages.write(ctx, pageUnavailable)
	case !en.known:
		e.serveUnknown(ctx)
	default:
		answer(e, ctx, &en.record)
	}
}

// serveUnknown answers 404, and 429 to an address that gets too many of them.
func (e *Edge) serveUnknown(ctx *fasthttp.RequestCtx) {
	if !e.unknown.Allow(limitKey(e.client(ctx)), 1).Allowed {
		e.serveLimited(ctx)
		return
	}
	e.metrics.outcome(outcomeNotFound)
	e.pages.write(ctx, pageNotFound)
}

func (e *Edge) serveLimited(ctx *fasthttp.RequestCtx) {
	e.metrics.outcome(outcomeLimited)
	e.pages.write(ctx, pageLimited)
	after := e.unknown.Peek(limitKey(e.client(ctx))).RetryAfterSeconds()
	ctx.Response.Header.Set("Retry-After", cmp.Or(after, "1"))
}

func (e *Edge) addressLimited(ctx *fasthttp.RequestCtx) bool {
	return !e.unknown.Peek(limitKey(e.client(ctx))).Allowed
}

// load asks the shard and then the api, once for all who ask at the same time, and falls back on what
// memory still has.
func (e *Edge) load(ref shortener.Ref, limited bool) (*entry, error) {
	for {
		en, state, err := e.cache.Load(context.Background(), ref.String(), func(ctx context.Context) (*entry, time.Duration, error) {
			return e.fetch(ctx, ref, limited)
		})
		if errors.Is(err, errLimited) && !limited {
			continue // the load that was shared ran on behalf of an address that is limited
		}
		if err == nil && state == lru.Stale {
			e.metrics.lookup(lookupStale)
		}
		return en, err
	}
}

// fetch is one load. A limited one does not reach the api.
func (e *Edge) fetch(ctx context.Context, ref shortener.Ref, limited bool) (*entry, time.Duration, error) {
	if r, found := e.askShard(ctx, ref); found {
		e.metrics.lookup(lookupShard)
		return &entry{record: r, known: true}, 0, nil
	}
	if limited {
		return nil, 0, errLimited
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Resolve)
	defer cancel()
	r, found, err := e.config.Resolver.Resolve(ctx, ref)
	switch {
	case err != nil:
		e.metrics.lookup(lookupFailed)
		return nil, 0, err
	case !found:
		e.metrics.lookup(lookupUnknown)
		return &entry{}, e.config.Cache.NegativeTTL, nil
	}
	e.metrics.lookup(lookupAPI)
	return &entry{record: r, known: true}, 0, nil
}

// askShard reads the link from its shard. Whatever a shard does not tell, the api has to: it may be
// empty, down, or be missing just this link.
func (e *Edge) askShard(ctx context.Context, ref shortener.Ref) (shortener.Record, bool) {
	if e.config.Shards == nil {
		return shortener.Record{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Shard)
	defer cancel()
	r, found, err := e.config.Shards.Get(ctx, ref)
	if err != nil {
		e.metrics.lookup(lookupShardFailed)
		e.log.Debug("shard did not answer", "domain", ref.Domain, "code", ref.Code, "error", err)
		return shortener.Record{}, false
	}
	// A reply that belongs to another question must not lead a visitor astray.
	return r, found && r.Ref == ref
}

// limitKey is what the limit on unknown codes is counted by: an address, and of IPv6 the network,
// since whoever has one address there has 2⁶⁴.
func limitKey(a netip.Addr) string {
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}
