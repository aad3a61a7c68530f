package lock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func startMiniredis(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return m, client
}

func TestOnMiniredis(t *testing.T) {
	suite(t, func(t *testing.T) server {
		m, client := startMiniredis(t)
		now := time.Now()
		m.SetTime(now)
		return server{client: client, pass: func(d time.Duration) {
			now = now.Add(d)
			m.SetTime(now)
			m.FastForward(d)
		}}
	})
}

func TestDeadRedisIsAnErrorAndALossWhenTheTimeIsUp(t *testing.T) {
	m, client := startMiniredis(t)
	l, err := Acquire(t.Context(), client, "job", "test", 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if _, err := Acquire(t.Context(), client, "job", "test", time.Minute); err == nil || errors.Is(err, ErrHeld) {
		t.Fatalf("Acquire on a dead Redis: got %v, want its error", err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("Run on a dead Redis: got %v, want ErrLost", err)
	}
	if over := time.Until(l.expiry()); over > 0 {
		t.Fatalf("lost %v before the time was up", over)
	}
	if since := time.Since(l.Silent()); since > time.Second {
		t.Fatalf("Redis was silent %v ago, want it to be known that it still is", since)
	}
}

func TestALeaseThatIsTakenAwayIsNotLostInSilence(t *testing.T) {
	m, client := startMiniredis(t)
	l, err := Acquire(t.Context(), client, "job", "test", 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	m.FlushAll()
	if err := l.Run(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("Run on an emptied Redis: got %v, want ErrLost", err)
	}
	if !l.Silent().IsZero() {
		t.Fatalf("Silent: got %v, want none: Redis has answered", l.Silent())
	}
}

// scripted answers scripts as told, on the clock of a bubble.
type scripted struct {
	redis.Scripter
	eval func(ctx context.Context, args []any) (any, error)
}

func (s scripted) EvalSha(ctx context.Context, _ string, _ []string, args ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	v, err := s.eval(ctx, args)
	cmd.SetVal(v)
	cmd.SetErr(err)
	return cmd
}

func TestTimeRunsFromBeforeTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 3 * time.Second
		began := time.Now()
		slow := scripted{eval: func(context.Context, []any) (any, error) {
			time.Sleep(time.Second)
			return []any{int64(1), int64(7)}, nil
		}}
		l, err := Acquire(t.Context(), slow, "job", "test", ttl)
		if err != nil || l.Fence() != 7 {
			t.Fatalf("Acquire: got %+v, %v", l, err)
		}
		<-l.Lost() // without Run
		if got := time.Since(began); got != ttl {
			t.Fatalf("lost after %v, want %v", got, ttl)
		}
	})
}

func TestSilentRedisDoesNotHoldUpTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 3 * time.Second
		calls := 0
		client := scripted{eval: func(ctx context.Context, _ []any) (any, error) {
			switch calls++; calls {
			case 1:
				return []any{int64(1), int64(1)}, nil
			case 2:
				return int64(1), nil // renewed at 1 s
			}
			time.Sleep(time.Hour) // deaf to ctx
			return nil, ctx.Err()
		}}
		began := time.Now()
		l, err := Acquire(t.Context(), client, "job", "test", ttl)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- l.Run(t.Context()) }()
		<-l.Lost()
		if got, want := time.Since(began), ttl/3+ttl; got != want {
			t.Fatalf("lost after %v, want %v", got, want)
		}
		if err := <-done; !errors.Is(err, ErrLost) {
			t.Fatalf("Run: got %v, want ErrLost", err)
		}
	})
}

func TestRenewalIsTriedAgainBeforeTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := scripted{eval: func(context.Context, []any) (any, error) {
			switch calls++; {
			case calls == 1:
				return []any{int64(1), int64(1)}, nil
			case calls%3 != 0:
				return nil, errors.New("connection reset")
			}
			return int64(1), nil
		}}
		l, err := Acquire(t.Context(), client, "job", "test", 3*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Run(ctx); err != nil {
			t.Fatalf("Run with two of three renewals failing: got %v, want nil", err)
		}
		if l.Context().Err() != nil {
			t.Fatal("lost though it was renewed in time")
		}
		_ = l.Release(t.Context())
	})
}

func BenchmarkAcquireRelease(b *testing.B) {
	_, client := startMiniredis(b)
	for b.Loop() {
		l, err := Acquire(b.Context(), client, "job", "test", time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
