package ratelimit

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// A server is a Redis in memory whose time passes when it is told to, and the processes' time with it.
type server struct {
	*miniredis.Miniredis
	client *redis.Client
	clock  *handClock
	calls  atomic.Int64 // of the script
}

func newServer(t testing.TB) *server {
	s := &server{Miniredis: miniredis.RunT(t), clock: newHandClock()}
	s.SetTime(s.clock.t)
	s.client = redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	s.client.AddHook(s)
	t.Cleanup(func() { _ = s.client.Close() })
	return s
}

func (s *server) pass(d time.Duration) {
	s.clock.add(d)
	s.SetTime(s.clock.t)
	s.FastForward(d)
}

// DialHook and the next two have the server count what reaches it.
func (s *server) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *server) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (s *server) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "eval") {
			s.calls.Add(1)
		}
		return next(ctx, cmd)
	}
}

// process returns what one process has of the limits.
func (s *server) process(change ...func(*SharedConfig)) *Shared {
	config := SharedConfig{
		Prefix: "limit:", Secret: []byte("secret"), Now: s.clock.now,
		Deadline: 10 * time.Second, // miniredis takes its time on a loaded machine
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&config)
	}
	return NewShared(s.client, config)
}

func amongst(n int) func(*SharedConfig) {
	return func(c *SharedConfig) { c.Processes = func() int { return n } }
}

func TestSharedBucketIsTheSameAsALocalOne(t *testing.T) {
	s := newServer(t)
	rapid.Check(t, func(t *rapid.T) {
		s.FlushAll()
		limit := Limit{Rate: 1e6 / float64(rapid.IntRange(1, 1e6).Draw(t, "interval")), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		local := &Local{newGCRA(limit).coarse(), newTable(100, s.clock.now)}
		few := func(c *SharedConfig) { c.MaxKeys = 1 }
		t.Repeat(map[string]func(*rapid.T){
			"allow": func(t *rapid.T) {
				key, cost := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.IntRange(-1, limit.Burst).Draw(t, "cost")
				shared := s.process(few).Limit("l", limit, Closed) // one that knows nothing yet: Redis decides
				got, want := shared.Allow(t.Context(), key, cost), local.Allow(key, cost)
				if got != want {
					t.Fatalf("a cost of %d: got %+v, want %+v", cost, got, want)
				}
				if got, want := shared.Peek(key), local.Peek(key); got != want {
					t.Fatalf("Peek: got %+v, want %+v", got, want)
				}
			},
			"wait": func(t *rapid.T) {
				d := time.Duration(rapid.Int64Range(0, 2*local.gcra.window).Draw(t, "for"))
				s.pass(d.Truncate(time.Microsecond))
			},
			"wait for a token": func(t *rapid.T) {
				s.pass(time.Duration(local.gcra.interval) - time.Duration(rapid.IntRange(0, 1).Draw(t, "too early"))*time.Microsecond)
			},
		})
	})
}

// Processes that share a Redis, which is emptied now and then, goes away and comes back: of one key they are
// never allowed more than one bucket gives while Redis stays, and never more than two whatever it does.
func TestProcessesShareABucketWhateverRedisDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		faults bool
		times  int
	}{
		"Redis stays":                      {false, 1},
		"Redis goes, comes and is emptied": {true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			rapid.Check(t, func(t *rapid.T) { checkShared(t, s, tc.faults, tc.times) })
		})
	}
}

func checkShared(t *rapid.T, s *server, faults bool, times int) {
	s.FlushAll()
	limit := Limit{Rate: rapid.Float64Range(0.1, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
	bound := Limit{Rate: float64(times) * limit.Rate, Burst: times * limit.Burst}
	processes := make([]*SharedLimit, rapid.IntRange(1, 4).Draw(t, "processes"))
	for i := range processes {
		processes[i] = s.process(amongst(len(processes))).Limit("l", limit, Share)
		processes[i].Allow(t.Context(), "someone else", 1) // knows Redis
	}
	var allowed spending
	allow := func(t *rapid.T) {
		one := rapid.SampledFrom(processes).Draw(t, "process")
		cost := rapid.IntRange(1, limit.Burst).Draw(t, "cost")
		if one.Allow(t.Context(), "k", cost).Allowed {
			allowed.add(s.clock.t.UnixNano(), cost)
			allowed.check(t, "all processes", bound)
		}
	}
	actions := map[string]func(*rapid.T){
		"allow 1": allow, "allow 2": allow, "allow 3": allow,
		"wait": func(t *rapid.T) {
			tokens := rapid.Float64Range(0, 3).Draw(t, "tokens")
			s.pass(time.Duration(tokens / limit.Rate * float64(time.Second)))
		},
	}
	if faults {
		actions["one loses Redis"] = func(t *rapid.T) { rapid.SampledFrom(processes).Draw(t, "process").shared.guard.opened.Store(true) }
		actions["one finds it"] = func(t *rapid.T) { rapid.SampledFrom(processes).Draw(t, "process").shared.tryAgain(t.Context()) }
		actions["all lose it"] = func(*rapid.T) {
			for _, p := range processes {
				p.shared.guard.opened.Store(true)
			}
		}
		actions["it is emptied"] = func(*rapid.T) { s.FlushAll() }
	}
	t.Repeat(actions)
}

func TestSeveralLimitsAreSpentTogetherOrNotAtAll(t *testing.T) {
	for name, away := range map[string]bool{"by Redis": false, "without it": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			p := s.process()
			p.guard.opened.Store(away)
			wide, narrow := p.Limit("wide", Limit{1, 10}, Share), p.Limit("narrow", Limit{1, 3}, Share)
			claims := []Claim{{wide, "k", 2}, {narrow, "k", 2}}
			allowed, results := p.Allow(t.Context(), claims...)
			if !allowed || results[0].Remaining != 8 || results[1].Remaining != 1 {
				t.Fatalf("got %t, %+v, want it allowed, and 8 and 1 left", allowed, results)
			}
			allowed, results = p.Allow(t.Context(), claims...)
			if allowed || !results[0].Allowed || results[1].Allowed || results[1].RetryAfter != time.Second {
				t.Fatalf("got %t, %+v, want it refused by the second alone, for a second", allowed, results)
			}
			other := s.process().Limit("wide", Limit{1, 10}, Share) // knows what Redis knows
			if away {
				other = wide
			}
			if got := other.Allow(t.Context(), "k", 0).Remaining; got != 8 {
				t.Errorf("got %d left of the first, want the 8 that were", got)
			}
		})
	}
}

func TestAFloodDoesNotReachRedis(t *testing.T) {
	s := newServer(t)
	l := s.process().Limit("l", Limit{Rate: 1, Burst: 5}, Open)
	for range 6 {
		l.Allow(t.Context(), "k", 1)
	}
	before := s.calls.Load()
	for range 1000 {
		if l.Allow(t.Context(), "k", 1).Allowed {
			t.Fatal("got an empty bucket's call allowed")
		}
	}
	if got := s.calls.Load() - before; got != 0 {
		t.Errorf("got %d calls of Redis, want none", got)
	}
	s.pass(time.Second)
	if !l.Allow(t.Context(), "k", 1).Allowed {
		t.Error("got the call refused a second later, want it allowed")
	}
}

func TestABucketThatIsFullIsGone(t *testing.T) {
	s := newServer(t)
	l := s.process().Limit("l", Limit{Rate: 10, Burst: 5}, Closed)
	l.Allow(t.Context(), "k", 0)
	if got := s.Keys(); len(got) != 1 {
		t.Errorf("nothing was spent: got keys %q, want the one that says since when Redis remembers", got)
	}
	l.Allow(t.Context(), "k", 3)
	if got := s.Keys(); len(got) != 2 {
		t.Errorf("got keys %q, want a bucket's among them", got)
	}
	s.pass(300*time.Millisecond + 1)
	if got := s.Keys(); len(got) != 1 {
		t.Errorf("got keys %q, want the bucket gone", got)
	}
}

func TestRedisLearnsNothingOfAKey(t *testing.T) {
	s := newServer(t)
	s.process().Limit("l", Limit{1, 5}, Closed).Allow(t.Context(), "203.0.113.7", 1)
	s.process(func(c *SharedConfig) { c.Secret = []byte("another") }).Limit("l", Limit{1, 5}, Closed).Allow(t.Context(), "203.0.113.7", 1)
	if got := s.Keys(); len(got) != 3 || strings.Contains(strings.Join(got, " "), "203") {
		t.Errorf("got keys %q, want three, none with the address", got)
	}
}

func TestAClockThatIsSetBackLocksNobodyOut(t *testing.T) {
	s := newServer(t)
	limit := Limit{Rate: 1, Burst: 5}
	s.process().Limit("l", limit, Closed).Allow(t.Context(), "k", 5)
	s.clock.add(-time.Hour)
	s.SetTime(s.clock.t)
	l := s.process().Limit("l", limit, Closed)
	if got := l.Allow(t.Context(), "k", 1); got.Allowed || got.RetryAfter != time.Second {
		t.Errorf("got %+v, want a refusal for a second", got)
	}
}
