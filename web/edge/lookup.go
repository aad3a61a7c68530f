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
	doubt  bool // the record is from a shard that may be out of date; such an entry is never kept
	at     time.Time
}

func sizeOf(key string, en *entry) int {
	r := &en.record
	return int(unsafe.Sizeof(entry{})) + 2*len(key) + len(r.Target) + len(r.FallbackURL) + len(r.Title)
}

// serveMiss answers for a code that memory does not have, or not fresh.
func (e *Edge) serveMiss(ctx *fasthttp.RequestCtx, ref shortener.Ref, answer answer) {
	en, w, err := e.load(ref, e.addressLimited(ctx))
	switch {
	case errors.Is(err, errNarrow):
		e.serveLimited(ctx)
	case err != nil:
		if missed, ok := e.unresolved.now(); ok {
			e.log.Warn("link not resolved", "domain", ref.Domain, "code", ref.Code, "error", err, "others_since", missed)
		}
		e.serveUnavailable(ctx)
	case !en.known:
		e.serveUnknown(ctx)
	default:
		answer(e, ctx, &en.record, w)
	}
}

// serveUnknown answers 404, and 429 to an address that gets too many of them.
func (e *Edge) serveUnknown(ctx *fasthttp.RequestCtx) {
	if !e.unknown.Allow(context.Background(), limitKey(e.client(ctx)), 1).Allowed {
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
func (e *Edge) load(ref shortener.Ref, limited bool) (*entry, worth, error) {
	for {
		en, state, err := e.cache.Load(context.Background(), ref.String(), func(ctx context.Context) (*entry, time.Duration, error) {
			return e.fetch(ctx, ref, limited)
		})
		switch {
		case errors.Is(err, errNarrow) && !limited:
			continue // the load that was shared ran on behalf of an address that is limited
		case err != nil:
			return nil, worth{}, err
		case en.doubt:
			e.metrics.lookup(lookupUnverified)
			return en, worth{stale: true, age: ageUnknown}, nil
		case state == lru.Stale:
			e.metrics.lookup(lookupStale)
			return en, worth{stale: true, age: e.now().Sub(en.at)}, nil
		}
		return en, worth{}, nil
	}
}

// unsaid is the ttl of an answer that is not to be kept, and of an error that says nothing of the next try.
const unsaid = -1

// fetch is one load.
func (e *Edge) fetch(ctx context.Context, ref shortener.Ref, limited bool) (*entry, time.Duration, error) {
	at, began := e.now(), time.Now()
	held, trust, shardErr := e.askShard(ref)
	if trust == Verified {
		e.metrics.lookup(lookupShard)
		return &entry{record: held, known: true, at: at}, 0, nil
	}
	negative := e.config.Cache.NegativeTTL
	if shardErr != nil {
		negative = min(negative, time.Second) // that the link is made by and by would be announced by its shard
	}
	r, late := e.truth.ask(ctx, ref, limited, time.Since(began))
	if r.err == nil {
		return e.learn(r, at, negative)
	}
	if shardErr != nil && late == nil && time.Since(began) < e.limits.Patience-e.limits.Shard {
		// Nobody else can answer, and a shard that was slow a moment ago need not be now.
		if held, trust, _ = e.askShard(ref); trust == Verified {
			e.metrics.lookup(lookupShard)
			return &entry{record: held, known: true, at: at}, 0, nil
		}
	}
	e.metrics.lookup(lookupFailed)
	switch {
	case trust == Unverified && e.isNews(held):
		return &entry{record: held, known: true, doubt: true, at: at}, unsaid, nil
	case late != nil:
		return nil, 0, &lru.LateError[*entry]{Err: r.err, Rest: func() (*entry, time.Duration, error) {
			return e.learn(<-late, at, negative)
		}}
	case errors.Is(r.err, errNarrow):
		return nil, unsaid, r.err
	}
	return nil, 0, r.err
}

// learn makes an entry of what the api has said.
func (e *Edge) learn(r reply, at time.Time, negative time.Duration) (*entry, time.Duration, error) {
	switch {
	case r.err != nil:
		return nil, 0, r.err
	case !r.found:
		e.metrics.lookup(lookupUnknown)
		return &entry{at: at}, negative, nil
	}
	e.metrics.lookup(lookupAPI)
	return &entry{record: r.record, known: true, at: at}, 0, nil
}

// isNews reports whether a record is newer than what memory would fall back on.
func (e *Edge) isNews(r shortener.Record) bool {
	en, state := e.cache.Get(r.Ref.String())
	return state == lru.Miss || !en.known || en.record.Version < r.Version
}

// askShard reads the link from its shard. Whatever a shard does not tell, the api has to: it may be
// empty, down, or be missing just this link.
func (e *Edge) askShard(ref shortener.Ref) (r shortener.Record, trust Trust, err error) {
	if e.config.Shards == nil {
		return r, Absent, nil
	}
	r, trust, err = e.config.Shards.Get(e.shardBy.next(time.Now()), ref)
	if err != nil {
		e.metrics.lookup(lookupShardFailed)
		e.log.Debug("shard did not answer", "domain", ref.Domain, "code", ref.Code, "error", err)
		return r, Absent, err
	}
	if trust != Absent && r.Ref != ref { // a reply that belongs to another question must not lead a visitor astray
		return r, Absent, nil
	}
	return r, trust, nil
}

// limitKey is what the limit on unknown codes is counted by: an address, and of IPv6 the network,
// since whoever has one address there has 2⁶⁴.
func limitKey(a netip.Addr) string {
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}
