package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Fallback is what a limit does while Redis does not answer.
type Fallback uint8

const (
	// Share counts in this process, up to the limit divided by the processes. A limit with fewer tokens
	// than there are processes leaves none of them any.
	Share Fallback = iota
	// Open allows everything. It is not for what keeps secrets from being guessed.
	Open
	// Closed allows nothing.
	Closed
)

// SharedConfig is how a Shared works. The zero value of each field selects its default.
type SharedConfig struct {
	Prefix    string           // of the keys in Redis
	Secret    []byte           // under which keys are hashed: what they stand for is not in Redis
	Processes func() int       // that share the limits, and are alive as far as is known; nil: 1
	Deadline  time.Duration    // 25 ms for an answer of Redis
	Retry     time.Duration    // 250 ms between attempts to reach a Redis that does not answer
	MaxKeys   int              // 65,536 keys of each limit are remembered in this process
	Now       func() time.Time // nil: the system's monotonic clock
	Logger    *slog.Logger     // nil: slog.Default; it is told when Redis goes away, and when it is back
}

// Shared keeps the buckets of several limits in one Redis, for all processes that use the same prefix and
// secret. Make one with NewShared, and have Run look after it. It is safe for concurrent use.
type Shared struct {
	config SharedConfig
	client redis.Scripter
	guard  guard
	seen   atomic.Bool // what KEYS[1] of spend.lua says
}

// NewShared returns a Shared without limits. The client must obey the deadlines of contexts, which go-redis
// does only if told to, and should not try calls again by itself.
func NewShared(client redis.Scripter, config SharedConfig) *Shared {
	if config.Processes == nil {
		config.Processes = func() int { return 1 }
	}
	if config.Deadline <= 0 {
		config.Deadline = 25 * time.Millisecond
	}
	if config.Retry <= 0 {
		config.Retry = 250 * time.Millisecond
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &Shared{config: config, client: client}
}

// Run has Redis be asked for again after it went away, until ctx ends, whose error it returns. Without it
// the first outage lasts for ever.
func (s *Shared) Run(ctx context.Context) error {
	tick := time.NewTicker(s.config.Retry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if s.guard.open() {
			s.tryAgain(ctx)
		}
	}
}

func (s *Shared) tryAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Deadline)
	defer cancel()
	if _, _, err := s.ask(ctx, nil); err == nil {
		s.guard.close()
		s.config.Logger.Info("rate limits are shared again")
	}
}

// Away reports whether Redis is not asked any more, because it did not answer.
func (s *Shared) Away() bool { return s.guard.open() }

// A SharedLimit is one limit of a Shared. It is safe for concurrent use.
type SharedLimit struct {
	shared   *Shared
	name     string
	gcra     gcra
	fallback Fallback
	known    table  // buckets as Redis told of them: they can only have become emptier since
	own      *Local // what was allowed without Redis
}

// Limit returns a limit by its name, which is the same in all processes. In Redis the time for one token
// is rounded up to whole microseconds.
func (s *Shared) Limit(name string, limit Limit, fallback Fallback) *SharedLimit {
	return &SharedLimit{
		shared: s, name: name, gcra: newGCRA(limit).coarse(), fallback: fallback,
		known: newTable(s.config.MaxKeys, s.config.Now),
		own:   NewLocal(limit, s.config.MaxKeys, s.config.Now),
	}
}

// A Claim asks for tokens of one key.
type Claim struct {
	Limit *SharedLimit
	Key   string
	Cost  int // below 0 it counts as 0
}

// Allow spends cost tokens of key if it has as many, and none otherwise. It takes no longer than the deadline of
// the Shared, or ctx if that is shorter.
func (l *SharedLimit) Allow(ctx context.Context, key string, cost int) Result {
	claims := [1]Claim{{l, key, cost}}
	var results [1]Result
	l.shared.decide(ctx, claims[:], results[:])
	return results[0]
}

// Peek returns what Allow would return for key at a cost of 1, had it not spent that token, as far as is
// known in this process: Redis is not asked. A key that is refused here would be refused there.
func (l *SharedLimit) Peek(key string) Result {
	if l.shared.guard.open() {
		return l.withoutRedis(key, 1, false)
	}
	return l.heard(key, 1)
}

// Allow spends what all claims ask for, or nothing. It takes one call of Redis, and as long as
// SharedLimit.Allow. The results are those of the claims, each as if it were the only one. Claims
// of one call must differ in limit or key.
func (s *Shared) Allow(ctx context.Context, claims ...Claim) (allowed bool, results []Result) {
	results = make([]Result, len(claims))
	return s.decide(ctx, claims, results), results
}
