package ratelimit

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

// A handClock moves when it is told to.
type handClock struct{ t time.Time }

func newHandClock() *handClock           { return &handClock{time.Unix(1_700_000_000, 0)} }
func (c *handClock) now() time.Time      { return c.t }
func (c *handClock) add(d time.Duration) { c.t = c.t.Add(d) }

func TestBucket(t *testing.T) {
	limit := Limit{Rate: 10, Burst: 5}
	const step, window = 100 * time.Millisecond, 500 * time.Millisecond
	for name, tc := range map[string]struct {
		before []int // costs spent first
		wait   time.Duration
		cost   int
		want   Result
	}{
		"a new key has a full bucket":      {nil, 0, 1, Result{true, 4, 5, 0, step, window}},
		"the last token":                   {[]int{4}, 0, 1, Result{true, 0, 5, 0, window, window}},
		"an empty bucket":                  {[]int{5}, 0, 1, Result{false, 0, 5, step, window, window}},
		"one tick before the next token":   {[]int{5}, step - 1, 1, Result{false, 0, 5, 1, window - step + 1, window}},
		"the next token":                   {[]int{5}, step, 1, Result{true, 0, 5, 0, window, window}},
		"a cost of several":                {[]int{1}, 0, 3, Result{true, 1, 5, 0, 4 * step, window}},
		"a cost of more than there is":     {[]int{3}, 0, 3, Result{false, 2, 5, step, 3 * step, window}},
		"a refusal spends nothing":         {[]int{3, 3, 3}, 0, 2, Result{true, 0, 5, 0, window, window}},
		"a cost of more than there can be": {nil, 0, 6, Result{false, 5, 5, Never, 0, window}},
		"a cost of nothing":                {[]int{5}, 0, 0, Result{true, 0, 5, 0, window, window}},
		"a negative cost gives nothing":    {[]int{5}, 0, -3, Result{true, 0, 5, 0, window, window}},
		"a bucket never overflows":         {[]int{5}, time.Hour, 1, Result{true, 4, 5, 0, step, window}},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newHandClock()
			l := NewLocal(limit, 10, clock.now)
			for _, cost := range tc.before {
				l.Allow("k", cost)
			}
			clock.add(tc.wait)
			if got := l.Allow("k", tc.cost); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestLimitsAtTheEdge(t *testing.T) {
	const lifetime = longest / 1_000_000_000 // in seconds
	for name, tc := range map[string]struct {
		limit Limit
		want  Result
	}{
		"no burst":            {Limit{Rate: 1}, Result{RetryAfter: Never}},
		"no rate":             {Limit{Burst: 1}, Result{RetryAfter: Never}},
		"less than none":      {Limit{Rate: -1, Burst: -1}, Result{RetryAfter: Never}},
		"not a number":        {Limit{Rate: math.NaN(), Burst: 1}, Result{RetryAfter: Never}},
		"faster than time":    {Limit{Rate: math.Inf(1), Burst: 2}, Result{true, 1, 2, 0, 1, 2}},
		"slower than a life":  {Limit{Rate: 1e-300, Burst: 2}, Result{true, 0, 1, 0, longest, longest}},
		"rounded to the slow": {Limit{Rate: 3, Burst: 1}, Result{true, 0, 1, 0, 333_333_334, 333_333_334}},
		"more than a life":    {Limit{Rate: 1, Burst: math.MaxInt}, Result{true, lifetime - 1, lifetime, 0, time.Second, lifetime * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NewLocal(tc.limit, 1, newHandClock().now).Allow("k", 1); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestPeekSpendsNothing(t *testing.T) {
	l := NewLocal(Limit{Rate: 1, Burst: 2}, 10, newHandClock().now)
	for spent := range 3 {
		want := Result{Allowed: spent < 2, Remaining: 2 - spent, Limit: 2, ResetAfter: time.Duration(spent) * time.Second, Window: 2 * time.Second}
		if !want.Allowed {
			want.RetryAfter = time.Second
		}
		for range 2 {
			if got := l.Peek("k"); got != want {
				t.Errorf("after %d: got %+v, want %+v", spent, got, want)
			}
		}
		l.Allow("k", 1)
	}
}

func TestClockThatIsSetBackGivesNothing(t *testing.T) {
	clock := newHandClock()
	l := NewLocal(Limit{Rate: 1, Burst: 2}, 10, clock.now)
	clock.add(time.Hour)
	l.Allow("k", 2)
	clock.add(-time.Minute)
	want := Result{Limit: 2, RetryAfter: 61 * time.Second, ResetAfter: 62 * time.Second, Window: 2 * time.Second}
	if got := l.Allow("k", 1); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSystemClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLocal(Limit{Rate: 1, Burst: 1}, 10, nil)
		if !l.Allow("k", 1).Allowed || l.Allow("k", 1).Allowed {
			t.Error("a burst of 1: want the first call allowed and the second refused")
		}
		time.Sleep(time.Second)
		if !l.Allow("k", 1).Allowed {
			t.Error("a second later: got a refusal, want the call allowed")
		}
	})
}

// spending is what a key was allowed, and the reference that judges it by the definition: whatever two
// moments are chosen, what was allowed from one to the other is at most burst + rate × t.
type spending struct {
	at    []int64
	spent []int // up to and including at
}

func (s *spending) add(now int64, cost int) {
	total := cost
	if n := len(s.spent); n > 0 {
		total += s.spent[n-1]
	}
	s.at, s.spent = append(s.at, now), append(s.spent, total)
}

func (s *spending) check(t *rapid.T, key string, limit Limit) {
	last := len(s.at) - 1
	for first := range s.at {
		spent := s.spent[last]
		if first > 0 {
			spent -= s.spent[first-1]
		}
		elapsed := time.Duration(s.at[last] - s.at[first])
		if most := float64(limit.Burst) + limit.Rate*elapsed.Seconds(); float64(spent) > most+1e-6 {
			t.Fatalf("%s: got %d allowed in %v, want at most %.3f", key, spent, elapsed, most)
		}
	}
}

// The table has seven buckets and there are up to twenty keys, most of them short of tokens: keys are
// forgotten all the time. No key gains by it, nor do all of them together.
func TestNeverMoreThanBurstAndRateWhoeverIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{Rate: rapid.Float64Range(0.1, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
		whole := Limit{Rate: ways * limit.Rate, Burst: ways * limit.Burst}
		keys := rapid.IntRange(1, 20).Draw(t, "keys")
		clock := newHandClock()
		l := NewLocal(limit, 1, clock.now)
		var all spending
		allowed := make([]spending, keys)
		allow := func(t *rapid.T) {
			k, cost := rapid.IntRange(0, keys-1).Draw(t, "key"), rapid.IntRange(1, limit.Burst).Draw(t, "cost")
			if !l.Allow(fmt.Sprint(k), cost).Allowed {
				return
			}
			allowed[k].add(clock.t.UnixNano(), cost)
			allowed[k].check(t, fmt.Sprint("key ", k), limit)
			all.add(clock.t.UnixNano(), cost)
			all.check(t, "all keys", whole)
		}
		t.Repeat(map[string]func(*rapid.T){
			"allow 1": allow, "allow 2": allow, "allow 3": allow, // far more often than they wait
			"wait": func(t *rapid.T) {
				tokens := rapid.Float64Range(0, 1).Draw(t, "tokens")
				clock.add(time.Duration(tokens / limit.Rate * float64(time.Second)))
			},
		})
	})
}

// The reference counts tokens, as the textbook does, in fractions of which a nanosecond is the unit.
func TestBucketIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Int64Range(1, 1e9).Draw(t, "interval")
		burst := rapid.IntRange(1, 50).Draw(t, "burst")
		clock := newHandClock()
		l := NewLocal(Limit{Rate: float64(time.Second) / float64(interval), Burst: burst}, 1000, clock.now)
		interval = l.gcra.interval // as it was rounded
		full := interval * int64(burst)
		tokens := map[string]int64{"a": full, "b": full, "c": full}
		t.Repeat(map[string]func(*rapid.T){
			"allow": func(t *rapid.T) {
				key, cost := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.IntRange(0, burst+1).Draw(t, "cost")
				want := tokens[key] >= int64(cost)*interval
				peeked := l.Peek(key)
				r := l.Allow(key, cost)
				if r.Allowed != want {
					t.Fatalf("%s: a cost of %d: got allowed %t, want %t", key, cost, r.Allowed, want)
				}
				if peeked.Allowed != (tokens[key] >= interval) || peeked.Remaining != int(tokens[key]/interval) {
					t.Fatalf("%s: Peek: got %+v, want %d tokens", key, peeked, tokens[key]/interval)
				}
				if want {
					tokens[key] -= int64(cost) * interval
				}
				if left := int(tokens[key] / interval); r.Remaining != left || r.ResetAfter != time.Duration(full-tokens[key]) {
					t.Fatalf("%s: got %+v, want %d left and full in %d", key, r, left, full-tokens[key])
				}
				if !want && r.RetryAfter != Never && int64(r.RetryAfter) != int64(cost)*interval-tokens[key] {
					t.Fatalf("%s: got %+v, want a wait of %d", key, r, int64(cost)*interval-tokens[key])
				}
			},
			"wait": func(t *rapid.T) {
				d := rapid.Int64Range(0, 2*full).Draw(t, "for")
				clock.add(time.Duration(d))
				for key := range tokens {
					tokens[key] = min(full, tokens[key]+d)
				}
			},
		})
	})
}

func TestNewKeyTakesOverTheFullestBucket(t *testing.T) {
	l := NewLocal(Limit{Rate: 1, Burst: 10}, ways, newHandClock().now)
	for cost := ways + 1; cost > 1; cost-- { // the last to come is the fullest
		l.Allow(fmt.Sprint("spent ", cost), cost)
	}
	if got := l.Peek("new").Remaining; got != 8 {
		t.Errorf("got %d tokens, want the 8 that the fullest had", got)
	}
	l.Allow("new", 1)
	if got := l.Peek("spent 8").Remaining; got != 2 {
		t.Errorf("the emptiest: got %d tokens, want its own 2", got)
	}
}

// Whoever was short of tokens stays so while others flood the table with new keys.
func TestFloodOfKeysBuysNothing(t *testing.T) {
	clock := newHandClock()
	l := NewLocal(Limit{Rate: 1, Burst: 10}, 100, clock.now)
	for range 10 {
		l.Allow("flooder", 1)
	}
	for i := range 100_000 {
		l.Allow(fmt.Sprint("other", i), 1)
	}
	if r := l.Allow("flooder", 1); r.Allowed {
		t.Errorf("got %+v, want a refusal", r)
	}
}

func TestConcurrentCallsShareOneBucket(t *testing.T) {
	l := NewLocal(Limit{Rate: 1, Burst: 1000}, 10, newHandClock().now)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if l.Allow("k", 1).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := allowed.Load(); got != 1000 {
		t.Errorf("got %d calls allowed, want the burst of 1000", got)
	}
}

func TestHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		result           Result
		policyName       string
		limit, policy    string
		retryAfterSecond string
	}{
		"allowed": {
			Result{true, 4, 5, 0, 1500 * time.Millisecond, 7500 * time.Millisecond},
			"key",
			`"key";r=4;t=2`, `"key";q=5;w=8`, "",
		},
		"refused": {
			Result{false, 0, 5, 1, 7 * time.Second, 7 * time.Second},
			"key",
			`"key";r=0;t=1`, `"key";q=5;w=7`, "1",
		},
		"never": {
			Result{false, 5, 5, Never, 0, 7 * time.Second},
			"key",
			`"key";r=5;t=0`, `"key";q=5;w=7`, "",
		},
		"a name that wants quoting": {
			Result{Allowed: true},
			"a\"b\\c\né",
			`"a\"b\\c???";r=0;t=0`, `"a\"b\\c???";q=0;w=0`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			limit, policy := tc.result.Headers(tc.policyName)
			if limit != tc.limit || policy != tc.policy {
				t.Errorf("got RateLimit %s and RateLimit-Policy %s, want %s and %s", limit, policy, tc.limit, tc.policy)
			}
			if got := tc.result.RetryAfterSeconds(); got != tc.retryAfterSecond {
				t.Errorf("got Retry-After %q, want %q", got, tc.retryAfterSecond)
			}
		})
	}
}

func TestSetIsTwoCacheLines(t *testing.T) {
	if got := unsafe.Sizeof(set{}); got != 128 {
		t.Errorf("got %d bytes, want 128", got)
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	l := NewLocal(Limit{Rate: 1, Burst: 1}, 10, nil)
	if got := testing.AllocsPerRun(100, func() { l.Allow("k", 1); l.Peek("k") }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkAllow(b *testing.B) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("203.0.113.%d", i)
	}
	l := NewLocal(Limit{Rate: 1000, Burst: 1000}, 1<<16, nil)
	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Allow(keys[0], 1)
		}
	})
	b.Run("many keys", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Allow(keys[i%len(keys)], 1)
		}
	})
	b.Run("many keys, parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				l.Allow(keys[i%len(keys)], 1)
			}
		})
	})
}
