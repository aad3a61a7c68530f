package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestWithoutRedis(t *testing.T) {
	limit := Limit{Rate: 1, Burst: 10}
	for name, tc := range map[string]struct {
		fallback  Fallback
		processes int
		allowed   int // of 20
		after     Result
	}{
		"open":                 {Open, 4, 20, Result{true, 10, 10, 0, 0, 10 * time.Second}},
		"closed":               {Closed, 4, 0, Result{false, 0, 10, time.Second, 0, 10 * time.Second}},
		"alone":                {Share, 1, 10, Result{false, 0, 10, time.Second, 10 * time.Second, 10 * time.Second}},
		"a share of four":      {Share, 4, 2, Result{false, 0, 2, 2 * time.Second, 8 * time.Second, 10 * time.Second}},
		"a share of a part":    {Share, 11, 0, Result{false, 0, 0, Never, 0, 10 * time.Second}},
		"as if alone, at zero": {Share, 0, 10, Result{false, 0, 10, time.Second, 10 * time.Second, 10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Close()
			p := s.process(amongst(tc.processes), func(c *SharedConfig) { c.Retry = time.Second })
			l := p.Limit("l", limit, tc.fallback)
			allowed := 0
			for range 20 {
				if l.Allow(t.Context(), "k", 1).Allowed {
					allowed++
				}
			}
			if allowed != tc.allowed || !p.Away() {
				t.Errorf("got %d allowed, and away %t, want %d and true", allowed, p.Away(), tc.allowed)
			}
			if got := l.Peek("k"); got != tc.after {
				t.Errorf("Peek: got %+v, want %+v", got, tc.after)
			}
			if got := l.Allow(t.Context(), "new", 11); got.Allowed || got.RetryAfter != Never {
				t.Errorf("a cost of more than there can be: got %+v, want it refused for ever", got)
			}
		})
	}
}

// scripted answers scripts as told, on the clock of a bubble.
type scripted struct {
	redis.Scripter
	eval func(ctx context.Context) (any, error)
}

func (s scripted) EvalSha(ctx context.Context, _ string, _ []string, _ ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	v, err := s.eval(ctx)
	cmd.SetVal(v)
	cmd.SetErr(err)
	return cmd
}

func TestARedisThatHangsIsWaitedForThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var well atomic.Bool
		p := NewShared(scripted{eval: func(ctx context.Context) (any, error) {
			calls.Add(1)
			if well.Load() {
				return []any{int64(1)}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}}, SharedConfig{Logger: slog.New(slog.DiscardHandler)})
		l := p.Limit("l", Limit{Rate: 1000, Burst: 1000}, Share)
		for i := range 100 {
			began := time.Now()
			if !l.Allow(t.Context(), "k", 1).Allowed {
				t.Fatalf("call %d: got it refused, want it counted in this process", i)
			}
			want := time.Duration(0)
			if i < 3 {
				want = 25 * time.Millisecond
			}
			if took := time.Since(began); took != want {
				t.Fatalf("call %d: got %v, want %v", i, took, want)
			}
		}
		if got := calls.Load(); got != 3 {
			t.Errorf("got %d calls of Redis, want 3", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Second)
		if !p.Away() {
			t.Error("got a Redis that hangs used again")
		}
		well.Store(true)
		time.Sleep(time.Second)
		if p.Away() {
			t.Error("got a Redis that answers left alone a second later")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want the error of its context", err)
		}
	})
}

func TestOneFailureInManyIsNoOutage(t *testing.T) {
	var calls atomic.Int64
	p := NewShared(scripted{eval: func(context.Context) (any, error) {
		if calls.Add(1)%12 == 0 {
			return nil, errors.New("a hiccup")
		}
		return []any{int64(1), int64(0)}, nil
	}}, SharedConfig{Logger: slog.New(slog.DiscardHandler)})
	l := p.Limit("l", Limit{Rate: 1000, Burst: 1000}, Closed)
	for i := range 1200 {
		l.Allow(t.Context(), fmt.Sprint(i), 1)
	}
	if p.Away() {
		t.Error("got Redis left alone")
	}
}

func TestWhoGivesUpDoesNotSpeakAgainstRedis(t *testing.T) {
	p := NewShared(scripted{eval: func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }}, SharedConfig{})
	l := p.Limit("l", Limit{Rate: 1000, Burst: 1000}, Closed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if l.Allow(ctx, "k", 1).Allowed {
			t.Fatal("got the call allowed, want it refused as without Redis")
		}
	}
	if p.Away() {
		t.Error("got Redis left alone")
	}
}

func TestRepliesThatMakeNoSenseAreFailures(t *testing.T) {
	for name, reply := range map[string]any{
		"of another script":  "OK",
		"nothing":            []any{},
		"of another call":    []any{int64(1), int64(0), int64(0)},
		"before time":        []any{int64(1), int64(-1)},
		"beyond the window":  []any{int64(0), int64(5_000_001)},
		"neither yes nor no": []any{int64(2), int64(0)},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewShared(scripted{eval: func(context.Context) (any, error) { return reply, nil }}, SharedConfig{Logger: slog.New(slog.DiscardHandler)})
			l := p.Limit("l", Limit{Rate: 1, Burst: 5}, Closed)
			for range 3 {
				if got := l.Allow(t.Context(), "k", 1); got.Allowed {
					t.Fatalf("got %+v, want it refused as without Redis", got)
				}
			}
			if !p.Away() {
				t.Error("got it taken for an answer, want a failure")
			}
		})
	}
}
