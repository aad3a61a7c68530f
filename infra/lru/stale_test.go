package lru

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// While nothing can be loaded, one caller waits for the first failure, and nobody after that.
func TestStaleEntryAnswersAtOnceAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{TTL: time.Minute, StaleFor: time.Hour, RetryAfter: time.Second})
		mustLoad(t, c, "k", value(7))
		time.Sleep(2 * time.Minute)
		began := time.Now()
		hangs := func(context.Context) (int, time.Duration, error) {
			time.Sleep(300 * time.Millisecond)
			return 0, 0, errDown
		}
		for range 10_000 { // one each millisecond
			if v, state, err := c.Load(t.Context(), "k", hangs); v != 7 || state != Stale || err != nil {
				t.Fatalf("got %d %v %v, want 7 stale and no error", v, state, err)
			}
			time.Sleep(time.Millisecond)
		}
		if waited := time.Since(began) - 10*time.Second; waited != 300*time.Millisecond {
			t.Errorf("callers have waited %v, want 300 ms: the first attempt", waited)
		}
		// An attempt takes 0.3 s, and the next one comes 1 s later.
		if got := c.Stats().Loads - 1; got < 7 || got > 9 {
			t.Errorf("got %d loads in 10 s, want one each 1.3 s", got)
		}
		time.Sleep(2 * time.Second)
		_, _, _ = c.Load(t.Context(), "k", value(8)) // in the background
		synctest.Wait()
		if v, state := c.Get("k"); v != 8 || state != Fresh {
			t.Errorf("once a load succeeds: got %d %v, want 8 fresh", v, state)
		}
	})
}

func TestExpireAllEndsTheRestAfterAFailure(t *testing.T) {
	clock := newHandClock()
	c := New(clock.config(Config[int]{TTL: 30, StaleFor: 60, RetryAfter: 20}))
	mustLoad(t, c, "k", value(7))
	clock.advance(30)
	_, _, _ = c.Load(t.Context(), "k", failing)
	c.ExpireAll()
	if v, state, _ := c.Load(t.Context(), "k", value(8)); v != 8 || state != Fresh {
		t.Errorf("got %d %v, want the value that was loaded", v, state)
	}
}

func TestPanicOfALoadNobodyWaitsForReachesTheNextCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{TTL: time.Second, StaleFor: time.Hour, RetryAfter: time.Second})
		mustLoad(t, c, "k", value(7))
		time.Sleep(time.Second)
		_, _, _ = c.Load(t.Context(), "k", failing)
		time.Sleep(time.Second)
		panics := func(context.Context) (int, time.Duration, error) { panic("oh") }
		_, _, _ = c.Load(t.Context(), "k", panics)
		synctest.Wait()
		_, _, err := c.Load(t.Context(), "k", panics)
		if _, ok := errors.AsType[*PanicError](err); !ok {
			t.Errorf("got error %v, want a PanicError", err)
		}
	})
}

func TestALateLoadLetsItsCallersGoAndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config[int]{TTL: time.Minute})
		late := func(context.Context) (int, time.Duration, error) {
			time.Sleep(100 * time.Millisecond)
			return 0, 0, &LateError[int]{Err: errLate, Rest: func() (int, time.Duration, error) {
				time.Sleep(900 * time.Millisecond)
				return 7, 0, nil
			}}
		}
		began := time.Now()
		for i, wait := range []time.Duration{100 * time.Millisecond, 0} {
			if _, _, err := c.Load(context.Background(), "k", late); !errors.Is(err, errLate) {
				t.Errorf("caller %d: got error %v, want %v", i, err, errLate)
			}
			if took := time.Since(began); took != wait {
				t.Errorf("caller %d: waited %v, want %v", i, took, wait)
			}
			began = time.Now()
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if v, state := c.Get("k"); v != 7 || state != Fresh {
			t.Errorf("got %d %v, want 7 fresh", v, state)
		}
	})
}
