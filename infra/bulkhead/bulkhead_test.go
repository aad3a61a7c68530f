package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhoWaitsEntersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Calls: 1, Queue: 3, Wait: time.Second})
		if err := b.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 3 {
			go func() {
				if err := b.Enter(t.Context()); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
				order = append(order, i)
			}()
			synctest.Wait()
		}
		for range 4 {
			b.Leave()
			synctest.Wait()
		}
		if want := []int{0, 1, 2}; !slices.Equal(order, want) {
			t.Errorf("entered in the order %v, want %v", order, want)
		}
	})
}

func TestAContextThatEndsEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Calls: 1, Queue: 1, Wait: time.Hour})
		_ = b.Enter(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the error of the context", err)
		}
		b.Leave()
		if err := b.Enter(t.Context()); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// The model is two lists: those inside, and those who wait with the time at which they give up.
type model struct {
	config  Config
	b       *Bulkhead
	inside  int
	waiting []time.Time
	results chan error
}

func (m *model) enter(t *rapid.T) {
	go func() { m.results <- m.b.Enter(t.Context()) }()
	synctest.Wait()
	switch {
	case m.inside < m.config.Calls:
		m.inside++
		m.expect(t, nil)
	case len(m.waiting) < m.config.Queue && m.config.Wait > 0:
		m.waiting = append(m.waiting, time.Now().Add(m.config.Wait))
	default:
		m.expect(t, ErrFull)
	}
}

func (m *model) leave(t *rapid.T) {
	if m.inside == 0 {
		return
	}
	m.b.Leave()
	synctest.Wait()
	if len(m.waiting) == 0 {
		m.inside--
		return
	}
	m.waiting = m.waiting[1:]
	m.expect(t, nil)
}

func (m *model) sleep(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 60).Draw(t, "for")))
	synctest.Wait()
	for len(m.waiting) > 0 && !time.Now().Before(m.waiting[0]) {
		m.waiting = m.waiting[1:]
		m.expect(t, ErrFull)
	}
}

func (m *model) expect(t *rapid.T, want error) {
	select {
	case got := <-m.results:
		if !errors.Is(got, want) {
			t.Fatalf("Enter: got %v, want %v", got, want)
		}
	default:
		t.Fatalf("Enter: got no answer, want %v", want)
	}
}

func (m *model) check(t *rapid.T) {
	if got := m.b.UnderWay(); got != m.inside {
		t.Fatalf("UnderWay: got %d, want %d", got, m.inside)
	}
	if len(m.results) > 0 {
		t.Fatalf("an answer that nobody expected: %v", <-m.results)
	}
}

func (m *model) end() {
	for range m.inside + len(m.waiting) {
		m.b.Leave()
	}
	synctest.Wait()
}

func TestBulkheadIsItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline of its own, and rapid asks a *testing.T for it.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			config := Config{
				Calls: rapid.IntRange(1, 3).Draw(t, "calls"), Queue: rapid.IntRange(0, 3).Draw(t, "queue"),
				Wait: time.Duration(rapid.SampledFrom([]int{0, 50}).Draw(t, "wait")),
			}
			m := &model{config: config, b: New(config), results: make(chan error, 100)}
			defer m.end()
			t.Repeat(map[string]func(*rapid.T){
				"enter": m.enter, "and enter": m.enter, "leave": m.leave, "sleep": m.sleep, "": m.check,
			})
		})
	})
}

func TestEnteringAndRefusalDoNotAllocate(t *testing.T) {
	b := New(Config{Calls: 1})
	if got := testing.AllocsPerRun(100, func() {
		_ = b.Enter(t.Context())
		b.Leave()
	}); got != 0 {
		t.Errorf("entering: got %v allocations, want 0", got)
	}
	_ = b.Enter(t.Context())
	if got := testing.AllocsPerRun(100, func() { _ = b.Enter(t.Context()) }); got != 0 {
		t.Errorf("a refusal: got %v allocations, want 0", got)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	for _, calls := range []int{1, 32} {
		b.Run(fmt.Sprint(calls), func(b *testing.B) {
			h, ctx := New(Config{Calls: calls, Queue: 1 << 20, Wait: time.Minute}), b.Context()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := h.Enter(ctx); err == nil {
						h.Leave()
					}
				}
			})
		})
	}
}
