// Package edge is the public listener: it answers short URLs with redirects, counts them, and hands
// what belongs to the api to a gateway.
//
// It promises:
//
//   - a link that anything can still resolve is answered: from memory, from its shard, by the api, and
//     when all of them are gone from what memory or a shard still has of it, though that may be out of
//     date. If nothing does, the answer is 503, and soon: who hangs is not waited for. That there is no
//     such link, or no more, is never said for want of an answer;
//   - the api is asked for one link once at a time, for few at once, and not at all while it does not
//     answer: shards that fall do not take it with them;
//   - Location carries the stored target byte for byte;
//   - a click is in the click log before its redirect leaves. If the log refuses it the redirect is
//     served all the same, and the loss is counted in snowlink_clicks_dropped_total;
//   - a visitor's address is used for the visitor's hash, the place and the limit on unknown codes,
//     and is written nowhere;
//   - no limiter is waited for on the way to a link that there is;
//   - a hit in memory allocates nothing.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"snowlink/infra/lru"
	"snowlink/infra/ratelimit"
	"snowlink/shortener"
)

// Trust says what is to be thought of what a shard has of a link.
type Trust uint8

// What a shard may have of a link.
const (
	Absent     Trust = iota // nothing, which is no proof that there is no such link
	Unverified              // a record that may be out of date: better than none, if the api cannot be asked
	Verified                // the record
)

// RecordReader reads links from their shards. An error means that nothing is known.
type RecordReader interface {
	Get(ctx context.Context, ref shortener.Ref) (r shortener.Record, t Trust, err error)
}

// Resolver asks the api, which knows. found is false only if there was never such a link.
type Resolver interface {
	Resolve(ctx context.Context, ref shortener.Ref) (r shortener.Record, found bool, err error)
}

// ClickLog keeps clicks. Append returns once the payload would survive the death of this process; it
// does not keep the slice.
type ClickLog interface {
	Append(payload []byte) (seq uint64, err error)
}

// Geo tells where an address is, in the terms of shortener.Click, "" for what it does not know. It is
// asked for every click, and should not allocate.
type Geo interface {
	Lookup(addr netip.Addr) (country, region, city string)
}

// Limiter says how many unknown codes an address may ask for. It does not write addresses down.
type Limiter interface {
	// Allow spends cost tokens of key if it has as many, and none otherwise. It answers soon whatever is down.
	Allow(ctx context.Context, key string, cost int) ratelimit.Result
	// Peek returns what Allow would at a cost of 1, as far as is known without waiting for anybody.
	Peek(key string) ratelimit.Result
}

// Cache says what the edge keeps in memory. The zero value of each field selects its default.
type Cache struct {
	MaxBytes    int64         // 64 MiB
	TTL         time.Duration // 30 s: how long an edit may go unseen if its invalidation is lost
	NegativeTTL time.Duration // 10 s: how long an unknown code is not asked for again
	StaleFor    time.Duration // 24 h: how long a link outlives everything behind the edge
	RetryAfter  time.Duration // 1 s: how long such a link answers before what is behind is tried again
}

// Limits bound what a client may cost. The zero value of each field selects its default.
type Limits struct {
	UnknownRate  float64       // 20: unknown codes a second from one address
	UnknownBurst float64       // 200, in whole codes
	Addresses    int           // 100,000 are remembered at most
	MaxBody      int64         // 10 MiB for what goes to the gateway
	MaxHeader    int           // 16 KiB: request line and header, beyond which the answer is 431
	ReadTimeout  time.Duration // 60 s for a whole request
	WriteTimeout time.Duration // 60 s for a whole response that is not a stream
	IdleTimeout  time.Duration // 75 s between requests of a connection
	DrainDelay   time.Duration // none: how long Shutdown goes on to accept
	Shard        time.Duration // 50 ms for an answer of a shard
	Patience     time.Duration // 160 ms for an answer of shard and api together, if the api says nothing to anyone
	Resolve      time.Duration // 1 s for an answer of the api, which is kept though nobody waits for it any more

	Resolving        int           // 32: links the api is asked for at once. Twice as many wait
	ResolvingLimited int           // 2: as many for addresses beyond UnknownRate. Eight times as many wait
	Queue            time.Duration // 20 ms: how long each of them waits
}

// Config is what an Edge is made of. Resolver, Spool and BaseURL are required.
type Config struct {
	Shards   RecordReader // nil: every miss goes to the Resolver
	Resolver Resolver
	Spool    ClickLog
	Salts    Salts                   // nil: a random salt of this process, never told to anyone
	Geo      Geo                     // nil: places are unknown
	Gateway  fasthttp.RequestHandler // answers /api and /app; nil: 503

	BaseURL        string            // of the default domain, shown on pages
	Domains        map[string]string // host, lower case, to domain; other hosts are the default domain ""
	TrustedProxies []netip.Prefix    // whose X-Forwarded-For is believed
	Cache          Cache
	Limits         Limits
	Unknown        Limiter // of unknown codes, by address; nil: Limits, in this process
	LogEvery       uint64  // log one redirect in so many; 0: none

	Now     func() time.Time      // nil: time.Now
	Logger  *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: not registered
}

// Edge serves the public listener. Make one with New. It is safe for concurrent use.
type Edge struct {
	config  Config
	limits  Limits
	shardBy deadlines // of lookups in shards
	cache   *lru.Cache[*entry]
	truth   *truth
	unknown Limiter
	salts   *salter
	pages   *pages
	metrics *metrics
	server  *fasthttp.Server
	scratch sync.Pool // of *scratch
	sampled atomic.Uint64
	now     func() time.Time
	log     *slog.Logger

	open     open
	draining atomic.Bool

	stop    context.CancelFunc
	stopped context.Context
	started sync.Once
	keepers sync.WaitGroup // what Serve started beside the server

	unresolved rarely // logged
}

// New returns an edge that serves nothing yet.
func New(config Config) (*Edge, error) {
	config.Limits.setDefaults()
	config.Cache.setDefaults()
	if config.Resolver == nil || config.Spool == nil {
		return nil, fmt.Errorf("make edge: a resolver and a click log are required")
	}
	coarse := config.Now // nil: the cache and the limit read a cheaper clock of their own
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Unknown == nil {
		limit := ratelimit.Limit{Rate: config.Limits.UnknownRate, Burst: int(config.Limits.UnknownBurst)}
		config.Unknown = ratelimit.Alone{Local: ratelimit.NewLocal(limit, config.Limits.Addresses, coarse)}
	}
	p, err := newPages(config.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	e := &Edge{
		config: config, limits: config.Limits, now: config.Now, log: config.Logger, pages: p,
		cache: lru.New(lru.Config[*entry]{
			MaxBytes: config.Cache.MaxBytes, TTL: config.Cache.TTL, StaleFor: config.Cache.StaleFor,
			RetryAfter: config.Cache.RetryAfter, Size: sizeOf, Now: coarse,
		}),
		shardBy: deadlines{after: config.Limits.Shard},
		truth:   newTruth(config.Resolver, config.Limits, config.Metrics),
		unknown: config.Unknown,
		salts:   newSalter(config.Salts, config.Logger, config.Now()),
		metrics: newMetrics(config.Metrics),
	}
	e.scratch.New = func() any { return newScratch() }
	e.stopped, e.stop = context.WithCancel(context.Background())
	e.server = e.newServer()
	return e, nil
}

func (e *Edge) newServer() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:      e.serve,
		ErrorHandler: e.refuse,
		ConnState:    noteState,
		Logger:       silent{},

		ReadBufferSize:  e.limits.MaxHeader,
		WriteBufferSize: writeBuffer,
		ReadTimeout:     e.limits.ReadTimeout,
		WriteTimeout:    e.limits.WriteTimeout,
		IdleTimeout:     e.limits.IdleTimeout,

		// Bodies go on to the gateway as they come.
		StreamRequestBody:            true,
		MaxRequestBodySize:           readAhead,
		DisablePreParseMultipartForm: true,

		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		LazyRequestTime:       true,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
	}
}

// writeBuffer holds a redirect with its header. What is longer takes another system call, and the memory is
// every idle connection's.
const writeBuffer = 1 << 10

// Serve answers what ln accepts until Shutdown, after which it returns nil. It may run for several
// listeners at once.
func (e *Edge) Serve(ln net.Listener) error {
	select {
	case <-e.stopped.Done():
		return nil
	default:
	}
	e.started.Do(func() { e.keepers.Go(func() { e.salts.run(e.stopped, e.now) }) })
	if err := e.server.Serve(e.open.listen(ln)); err != nil && e.stopped.Err() == nil {
		return fmt.Errorf("serve edge: %w", err)
	}
	return nil
}

// Shutdown serves for Limits.DrainDelay more, asking every client to come back on another connection, stops
// accepting, lets requests finish until ctx ends, and returns its error if some have not.
func (e *Edge) Shutdown(ctx context.Context) error {
	e.drain(ctx, e.limits.DrainDelay)
	e.stop()
	err := e.server.ShutdownWithContext(ctx)
	if errors.Is(err, net.ErrClosed) { // a listener that was closed already
		err = nil
	}
	e.keepers.Wait()
	e.truth.calls.Wait() // they have a deadline of their own
	if err == nil {
		err = e.cache.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("shut edge down: %w", err)
	}
	return nil
}

// Invalidate drops what memory has of a link, unknown ones included: the next request asks again.
func (e *Edge) Invalidate(ref shortener.Ref) { e.cache.Invalidate(ref.String()) }

// ExpireAll makes every request ask again, as after invalidations may have been missed. Links are
// still answered from memory if nothing else answers.
func (e *Edge) ExpireAll() { e.cache.ExpireAll() }

func (c *Cache) setDefaults() {
	setDefault(&c.MaxBytes, 64<<20)
	setDefault(&c.TTL, 30*time.Second)
	setDefault(&c.NegativeTTL, 10*time.Second)
	setDefault(&c.StaleFor, 24*time.Hour)
	setDefault(&c.RetryAfter, time.Second)
	// An entry of a shorter life than others is never used stale, which no negative one may be.
	c.NegativeTTL = min(c.NegativeTTL, c.TTL-1)
}

func (l *Limits) setDefaults() {
	setDefault(&l.UnknownRate, 20)
	setDefault(&l.UnknownBurst, 200)
	setDefault(&l.Addresses, 100_000)
	setDefault(&l.MaxBody, 10<<20)
	setDefault(&l.MaxHeader, 16<<10)
	setDefault(&l.ReadTimeout, 60*time.Second)
	setDefault(&l.WriteTimeout, 60*time.Second)
	setDefault(&l.IdleTimeout, 75*time.Second)
	setDefault(&l.Shard, 50*time.Millisecond)
	setDefault(&l.Patience, 160*time.Millisecond)
	setDefault(&l.Resolve, time.Second)
	setDefault(&l.Resolving, 32)
	setDefault(&l.ResolvingLimited, 2)
	setDefault(&l.Queue, 20*time.Millisecond)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// silent is the server's log. What it has to say is of connections that broke, with the addresses of
// visitors, which are written nowhere.
type silent struct{}

func (silent) Printf(string, ...any) {}
