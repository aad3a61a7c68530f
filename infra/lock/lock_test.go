package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a Redis, in whichever form, that a suite runs against.
type server struct {
	client *redis.Client
	// pass lets d go by on the server's clock.
	pass func(d time.Duration)
}

// suite is what every Redis has to do.
func suite(t *testing.T, start func(*testing.T) server) {
	for name, test := range map[string]func(*testing.T, server){
		"one holder at a time":                        testOneHolder,
		"who holds what is told":                      testHeld,
		"a holder who is known to be one has it back": testAgain,
		"fencing numbers rise":                        testFenceRises,
		"a forgotten Redis does not lower the fence":  testFenceOverEmptied,
		"a lost lease leaves the next holder alone":   testLoserHarmsNobody,
		"Run tells of a loss":                         testRunTellsOfLoss,
		"Run keeps the lease":                         testRunKeeps,
		"a lost reply is made good":                   testAskedTwice,
		"slots are given once":                        testSlots,
		"many race for few slots":                     testRaceForSlots,
		"one in the critical section":                 testCriticalSection,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

func acquireName(t *testing.T, s server, name string, ttl time.Duration) *Lease {
	t.Helper()
	l, err := Acquire(t.Context(), s.client, name, "test", ttl)
	if err != nil {
		t.Fatalf("Acquire(%s): %v", name, err)
	}
	t.Cleanup(func() { l.cancel(nil) })
	return l
}

func testOneHolder(t *testing.T, s server) {
	a := acquireName(t, s, "job", time.Minute)
	if _, err := Acquire(t.Context(), s.client, "job", "test", time.Minute); !errors.Is(err, ErrHeld) {
		t.Fatalf("second Acquire: got %v, want ErrHeld", err)
	}
	acquireName(t, s, "other job", time.Minute)
	if err := a.Release(t.Context()); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if err := a.Context().Err(); err == nil {
		t.Fatal("the context of a released lease is not done")
	}
	if err := a.Release(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("second Release: got %v, want ErrLost", err)
	}
	acquireName(t, s, "job", time.Minute)
	if _, err := Acquire(t.Context(), s.client, "brief", "test", time.Microsecond); err == nil {
		t.Fatal("Acquire for a microsecond: got a lease, want an error")
	}
}

func testFenceRises(t *testing.T, s server) {
	last := int64(0)
	for range 50 { // many in one millisecond of the server
		l := acquireName(t, s, "job", time.Minute)
		if l.Fence() <= last {
			t.Fatalf("fence: got %d after %d, want more", l.Fence(), last)
		}
		last = l.Fence()
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func testFenceOverEmptied(t *testing.T, s server) {
	a := acquireName(t, s, "job", time.Minute)
	s.pass(2 * time.Millisecond)
	if err := s.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b := acquireName(t, s, "job", time.Minute)
	if b.Fence() <= a.Fence() {
		t.Fatalf("fence after the Redis was emptied: got %d, want more than %d", b.Fence(), a.Fence())
	}
	if err := a.renew(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("renewal of the lease it forgot: got %v, want ErrLost", err)
	}
}

func testLoserHarmsNobody(t *testing.T, s server) {
	a := acquireName(t, s, "job", time.Second)
	s.pass(1100 * time.Millisecond)
	b := acquireName(t, s, "job", time.Minute)
	if err := a.renew(context.WithoutCancel(t.Context())); err == nil {
		t.Fatal("renewal of a lease that ran out: got nil, want an error")
	}
	if err := a.Release(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("Release of a lease that ran out: got %v, want ErrLost", err)
	}
	if err := b.renew(t.Context()); err != nil {
		t.Fatalf("renewal by the holder: %v", err)
	}
}

func testRunTellsOfLoss(t *testing.T, s server) {
	l := acquireName(t, s, "job", 90*time.Millisecond)
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	if err := s.client.Set(t.Context(), "job", "someone else", 0).Err(); err != nil {
		t.Fatal(err)
	}
	<-l.Lost()
	if err := context.Cause(l.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("cause: got %v, want ErrLost", err)
	}
	if err := <-done; !errors.Is(err, ErrLost) {
		t.Fatalf("Run: got %v, want ErrLost", err)
	}
	if got := s.client.Get(t.Context(), "job").Val(); got != "someone else" {
		t.Fatalf("the other's lock: got %q, want it untouched", got)
	}
}

func testRunKeeps(t *testing.T, s server) {
	const ttl = 900 * time.Millisecond
	l := acquireName(t, s, "job", ttl)
	first := l.expiry()
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	for l.expiry().Sub(first) < 2*ttl { // several renewals
		select {
		case <-l.Lost():
			t.Fatalf("lost though it is renewed: %v", context.Cause(l.Context()))
		case <-time.After(ttl / 10):
		}
	}
	if err := l.Release(t.Context()); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("Run over Release: got %v, want nil", err)
	}
}

func (l *Lease) expiry() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

func testAskedTwice(t *testing.T, s server) {
	ask := func(token string) []int64 {
		keys := []string{"slot:0", "slot:1", "slot:fence"}
		reply, err := acquireScript.Run(t.Context(), s.client, keys, token, 60_000).Int64Slice()
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	first, other, again := ask("aa"), ask("a"), ask("aa")
	if first[0] != 1 || again[0] != 1 || again[1] != first[1] {
		t.Fatalf("asked twice with one token: got %v then %v, want the same slot and fence", first, again)
	}
	if other[0] != 2 {
		t.Fatalf("another token: got %v, want the second slot", other)
	}
}

func testSlots(t *testing.T, s server) {
	var leases []*Lease
	for want := range 3 {
		l, slot, err := AcquireSlot(t.Context(), s.client, "node", "test", 3, 0, time.Second)
		if err != nil || slot != want {
			t.Fatalf("AcquireSlot: got slot %d, %v; want %d", slot, err, want)
		}
		leases = append(leases, l)
	}
	if _, _, err := AcquireSlot(t.Context(), s.client, "node", "test", 3, 0, time.Minute); !errors.Is(err, ErrHeld) {
		t.Fatalf("AcquireSlot of three held: got %v, want ErrHeld", err)
	}
	if _, _, err := AcquireSlot(t.Context(), s.client, "node", "test", 0, 0, time.Minute); !errors.Is(err, ErrHeld) {
		t.Fatalf("AcquireSlot of none: got %v, want ErrHeld", err)
	}
	s.pass(1100 * time.Millisecond)
	l, slot, err := AcquireSlot(t.Context(), s.client, "node", "test", 3, 0, time.Minute)
	if err != nil || slot != 0 {
		t.Fatalf("AcquireSlot after all ran out: got slot %d, %v; want 0", slot, err)
	}
	if l.Fence() <= leases[2].Fence() {
		t.Fatalf("fence: got %d, want more than %d", l.Fence(), leases[2].Fence())
	}
	for _, c := range []struct{ wanted, got int }{{2, 2}, {2, 1}} { // free, and held by now
		if _, slot, err := AcquireSlot(t.Context(), s.client, "node", "test", 3, c.wanted, time.Minute); err != nil || slot != c.got {
			t.Fatalf("AcquireSlot that wants %d: got slot %d, %v; want %d", c.wanted, slot, err, c.got)
		}
	}
}

func testRaceForSlots(t *testing.T, s server) {
	const racers, slots, rounds = 64, 32, 5
	var mu sync.Mutex
	held := map[int]bool{}
	race := func() error {
		l, slot, err := AcquireSlot(t.Context(), s.client, "node", "test", slots, 0, time.Minute)
		if errors.Is(err, ErrHeld) {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		twice := held[slot]
		held[slot] = true
		mu.Unlock()
		if twice {
			return fmt.Errorf("slot %d is held twice", slot)
		}
		mu.Lock()
		delete(held, slot)
		mu.Unlock()
		return l.Release(t.Context())
	}
	inParallel(t, racers, func() error {
		for range rounds {
			if err := race(); err != nil {
				return err
			}
		}
		return nil
	})

	// And when nobody lets go, each slot has one holder and the others none.
	taken, refused := make(chan int, racers), make(chan struct{}, racers)
	inParallel(t, racers, func() error {
		_, slot, err := AcquireSlot(t.Context(), s.client, "fixed", "test", slots, 0, time.Minute)
		if errors.Is(err, ErrHeld) {
			refused <- struct{}{}
			return nil
		}
		taken <- slot
		return err
	})
	close(taken)
	distinct := map[int]bool{}
	for slot := range taken {
		distinct[slot] = true
	}
	if len(distinct) != slots || len(refused) != racers-slots {
		t.Fatalf("got %d slots taken and %d refused, want %d and %d", len(distinct), len(refused), slots, racers-slots)
	}
}

func testCriticalSection(t *testing.T, s server) {
	counter := 0 // the race detector would see two inside
	inParallel(t, 8, func() error {
		for done := 0; done < 20; {
			l, err := Acquire(t.Context(), s.client, "job", "test", time.Minute)
			if errors.Is(err, ErrHeld) {
				continue
			}
			if err != nil {
				return err
			}
			counter++
			done++
			if err := l.Release(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	if counter != 160 {
		t.Fatalf("counter: got %d, want 160", counter)
	}
}

func inParallel(t *testing.T, n int, f func() error) {
	t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() { errs <- f() }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}
