package lru

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("the store is down")

func value(v int) func(context.Context) (int, time.Duration, error) {
	return func(context.Context) (int, time.Duration, error) { return v, 0, nil }
}

func failing(context.Context) (int, time.Duration, error) { return 0, 0, errDown }

// A handClock moves when it is told to.
type handClock struct{ t time.Time }

func newHandClock() *handClock               { return &handClock{time.Unix(1_700_000_000, 0)} }
func (c *handClock) now() time.Time          { return c.t }
func (c *handClock) advance(d time.Duration) { c.t = c.t.Add(d) }
func (c *handClock) config(cfg Config[int]) Config[int] {
	cfg.Now = c.now
	return cfg
}

func TestStateOverTime(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  Config[int]
		ttl  time.Duration // asked for by the load
		then func(*Cache[int])
		at   time.Duration
		want State
	}{
		"fresh one tick before its ttl":      {cfg: Config[int]{TTL: 30, StaleFor: 60}, at: 29, want: Fresh},
		"the ttl is exclusive":               {cfg: Config[int]{TTL: 30, StaleFor: 60}, at: 30, want: Stale},
		"stale one tick before its end":      {cfg: Config[int]{TTL: 30, StaleFor: 60}, at: 89, want: Stale},
		"the end of staleness is exclusive":  {cfg: Config[int]{TTL: 30, StaleFor: 60}, at: 90, want: Miss},
		"nothing is stale unless asked for":  {cfg: Config[int]{TTL: 30}, at: 30, want: Miss},
		"without a ttl it stays":             {cfg: Config[int]{}, at: time.Hour * 1e5, want: Fresh},
		"a longer ttl is cut":                {cfg: Config[int]{TTL: 30, StaleFor: 60}, ttl: 50, at: 30, want: Stale},
		"a negative is fresh for its ttl":    {cfg: Config[int]{TTL: 30, StaleFor: 60}, ttl: 5, at: 4, want: Fresh},
		"a negative is never stale":          {cfg: Config[int]{TTL: 30, StaleFor: 60}, ttl: 5, at: 5, want: Miss},
		"a load can ask not to be cached":    {cfg: Config[int]{TTL: 30, StaleFor: 60}, ttl: -1, at: 0, want: Miss},
		"ExpireAll makes it stale":           {cfg: Config[int]{TTL: 30, StaleFor: 60}, then: (*Cache[int]).ExpireAll, at: 0, want: Stale},
		"ExpireAll leaves the end as it was": {cfg: Config[int]{TTL: 30, StaleFor: 60}, then: (*Cache[int]).ExpireAll, at: 89, want: Stale},
		"ExpireAll ends a negative":          {cfg: Config[int]{TTL: 30, StaleFor: 60}, ttl: 5, then: (*Cache[int]).ExpireAll, at: 0, want: Miss},
		"ExpireAll ends it without StaleFor": {cfg: Config[int]{TTL: 30}, then: (*Cache[int]).ExpireAll, at: 0, want: Miss},
		"ExpireAll works without a ttl":      {cfg: Config[int]{StaleFor: 60}, then: (*Cache[int]).ExpireAll, at: 0, want: Stale},
		"Invalidate drops it":                {cfg: Config[int]{TTL: 30, StaleFor: 60}, then: func(c *Cache[int]) { c.Invalidate("k") }, at: 0, want: Miss},
		"another's Invalidate leaves it":     {cfg: Config[int]{TTL: 30, StaleFor: 60}, then: func(c *Cache[int]) { c.Invalidate("j") }, at: 0, want: Fresh},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newHandClock()
			c := New(clock.config(tc.cfg))
			mustLoad(t, c, "k", func(context.Context) (int, time.Duration, error) { return 7, tc.ttl, nil })
			if tc.then != nil {
				tc.then(c)
			}
			clock.advance(tc.at)
			v, state := c.Get("k")
			if want := (map[bool]int{true: 0, false: 7})[tc.want == Miss]; state != tc.want || v != want {
				t.Errorf("got %d %v, want %d %v", v, state, want, tc.want)
			}
		})
	}
}

func TestTimeRunsFromTheStartOfTheLoad(t *testing.T) {
	clock := newHandClock()
	c := New(clock.config(Config[int]{TTL: 30}))
	mustLoad(t, c, "k", func(context.Context) (int, time.Duration, error) {
		clock.advance(20)
		return 7, 0, nil
	})
	clock.advance(10)
	if _, state := c.Get("k"); state != Miss {
		t.Errorf("got %v, want miss: the value is 30 old", state)
	}
}

func TestFailedLoad(t *testing.T) {
	clock := newHandClock()
	c := New(clock.config(Config[int]{TTL: 30, StaleFor: 60}))
	if _, _, err := c.Load(t.Context(), "k", failing); !errors.Is(err, errDown) {
		t.Errorf("nothing cached: got error %v, want %v", err, errDown)
	}
	mustLoad(t, c, "k", value(7))
	clock.advance(30)
	if v, state, err := c.Load(t.Context(), "k", failing); v != 7 || state != Stale || err != nil {
		t.Errorf("stale: got %d %v %v, want 7 stale and no error", v, state, err)
	}
	clock.advance(60)
	if _, _, err := c.Load(t.Context(), "k", failing); !errors.Is(err, errDown) {
		t.Errorf("too old: got error %v, want %v", err, errDown)
	}
	want := Stats{Loads: 4, Failures: 3, Fallbacks: 1}
	if got := c.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStaleEntryAnswersForALoadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{TTL: time.Second, StaleFor: time.Hour})
		mustLoad(t, c, "k", value(7))
		time.Sleep(2 * time.Second)
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		v, state, err := c.Load(ctx, "k", func(context.Context) (int, time.Duration, error) {
			<-release
			return 8, 0, nil
		})
		if v != 7 || state != Stale || err != nil {
			t.Errorf("got %d %v %v, want 7 stale and no error", v, state, err)
		}
		close(release)
		if err := c.Wait(t.Context()); err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if v, state := c.Get("k"); v != 8 || state != Fresh {
			t.Errorf("the load went on: got %d %v, want 8 fresh", v, state)
		}
	})
}

func TestLoadOutlivesTheCallerWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{})
		type keyOf struct{}
		first, leave := context.WithCancel(context.WithValue(t.Context(), keyOf{}, "kept"))
		release := make(chan struct{})
		go func() {
			_, _, err := c.Load(first, "k", func(ctx context.Context) (int, time.Duration, error) {
				<-release
				if got := ctx.Value(keyOf{}); got != "kept" {
					t.Errorf("value of the load's context: got %v, want kept", got)
				}
				return 7, 0, ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("first caller: got error %v, want %v", err, context.Canceled)
			}
		}()
		synctest.Wait()
		go func() {
			v, state, err := c.Load(t.Context(), "k", failing)
			if v != 7 || state != Fresh || err != nil {
				t.Errorf("second caller: got %d %v %v, want 7 fresh and no error", v, state, err)
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		synctest.Wait()
		want := Stats{Loads: 1, Shared: 1}
		if got := c.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestPanicReachesAllWhoWaitAndWedgesNothing(t *testing.T) {
	for name, ctx := range map[string]context.Context{"in a goroutine": t.Context(), "inline": context.Background()} {
		t.Run(name, func(t *testing.T) {
			clock := newHandClock()
			c := New(clock.config(Config[int]{TTL: 30, StaleFor: 60}))
			mustLoad(t, c, "k", value(7))
			clock.advance(30)
			_, _, err := c.Load(ctx, "k", func(context.Context) (int, time.Duration, error) { panic("oh") })
			p, ok := errors.AsType[*PanicError](err)
			if !ok || p.Value != "oh" || !strings.Contains(string(p.Stack), "lru_test.go") {
				t.Errorf("got error %v, want a PanicError of oh with its stack, and not the stale entry", err)
			}
			mustLoad(t, c, "k", value(8))
		})
	}
}

func TestGoexitInALoadWedgesNothing(t *testing.T) {
	c := New(Config[int]{})
	_, _, err := c.Load(t.Context(), "k", func(context.Context) (int, time.Duration, error) {
		runtime.Goexit()
		return 0, 0, nil
	})
	if !errors.Is(err, errAborted) {
		t.Errorf("got error %v, want %v", err, errAborted)
	}
	mustLoad(t, c, "k", value(8))
}

func TestContextThatIsOverLoadsNothing(t *testing.T) {
	c := New(Config[int]{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errDown)
	if _, _, err := c.Load(ctx, "k", value(7)); !errors.Is(err, errDown) {
		t.Errorf("got error %v, want the cause %v", err, errDown)
	}
	mustLoad(t, c, "k", value(7))
	if v, _, err := c.Load(ctx, "k", failing); v != 7 || err != nil {
		t.Errorf("fresh entry: got %d %v, want 7 and no error", v, err)
	}
}

func TestKeyNeedOnlyBeValidDuringTheCall(t *testing.T) {
	c := New(Config[string]{})
	buffer := []byte("abc")
	key := unsafeString(buffer)
	_, _, err := c.Load(t.Context(), key, func(context.Context) (string, time.Duration, error) { return "v", 0, nil })
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	copy(buffer, "xyz")
	if v, state := c.Get("abc"); v != "v" || state != Fresh {
		t.Errorf("abc: got %q %v, want v fresh", v, state)
	}
	if _, state := c.Get("xyz"); state != Miss {
		t.Errorf("xyz: got %v, want miss", state)
	}
}

func TestValueTooLargeIsGivenAndNotKept(t *testing.T) {
	clock := newHandClock()
	size := 10
	c := New(clock.config(Config[int]{MaxBytes: 1000, Shards: 1, TTL: 30, Size: func(string, int) int { return size }}))
	mustLoad(t, c, "k", value(7))
	clock.advance(30)
	size = 2000
	mustLoad(t, c, "k", value(8))
	if n, b := c.Len(), c.Bytes(); n != 0 || b != 0 {
		t.Errorf("got %d entries of %d bytes, want none: the old one is no longer true", n, b)
	}
}

func TestCrawlDoesNotPushOutWhatIsUsed(t *testing.T) {
	c := New(Config[int]{MaxBytes: 100 * (overhead[int]() + 8), Shards: 1, Size: func(string, int) int { return 8 }})
	for range 3 {
		for i := range 50 {
			loadInt(t, c, fmt.Sprint("used", i))
		}
	}
	for i := range 10_000 {
		loadInt(t, c, fmt.Sprint("crawled", i))
	}
	kept := 0
	for i := range 50 {
		if _, state := c.Get(fmt.Sprint("used", i)); state == Fresh {
			kept++
		}
	}
	if kept != 50 {
		t.Errorf("got %d of 50 kept, want all", kept)
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	c := New(Config[int]{TTL: time.Hour})
	mustLoad(t, c, "k", value(7))
	load, ctx := value(8), t.Context()
	for name, f := range map[string]func(){
		"Get":  func() { c.Get("k") },
		"miss": func() { c.Get("j") },
		"Load": func() { c.Load(ctx, "k", load) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func TestCoarseClockFollowsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{TTL: time.Second})
		mustLoad(t, c, "k", value(7))
		time.Sleep(time.Second - 2*tick)
		if _, state := c.Get("k"); state != Fresh {
			t.Errorf("before its ttl: got %v, want fresh", state)
		}
		time.Sleep(4 * tick)
		if _, state := c.Get("k"); state != Miss {
			t.Errorf("after its ttl: got %v, want miss", state)
		}
	})
}

func TestShardCount(t *testing.T) {
	for _, tc := range []struct {
		want     int
		maxBytes int64
		shards   int
	}{{1, 100, 1}, {3, 100, 4}, {8, 100, 8}, {0, 100, 1}, {0, 1 << 18, 1}, {0, 1 << 19, 2}} {
		if got := shardCount(tc.want, tc.maxBytes); got != tc.shards {
			t.Errorf("%d shards of %d bytes: got %d, want %d", tc.want, tc.maxBytes, got, tc.shards)
		}
	}
}

func mustLoad(t interface {
	Fatalf(string, ...any)
	Helper()
	Context() context.Context
}, c *Cache[int], key string, load func(context.Context) (int, time.Duration, error),
) int {
	t.Helper()
	v, state, err := c.Load(t.Context(), key, load)
	if err != nil || state != Fresh {
		t.Fatalf("Load(%q): got %v and error %v, want fresh and none", key, state, err)
	}
	return v
}

func loadInt(t *testing.T, c *Cache[int], key string) {
	t.Helper()
	mustLoad(t, c, key, value(1))
}
