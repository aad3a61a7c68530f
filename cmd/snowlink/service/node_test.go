package service

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// numbers is a coordination store as the scripts of a lease see it, on the clock of a bubble.
type numbers struct {
	redis.Scripter
	mu      sync.Mutex
	away    bool
	holders map[string]string    // by slot: the token
	until   map[string]time.Time // by slot
}

func newNumbers() *numbers {
	return &numbers{holders: map[string]string{}, until: map[string]time.Time{}}
}

func (s *numbers) EvalSha(ctx context.Context, _ string, keys []string, args ...any) *redis.Cmd {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := redis.NewCmd(ctx)
	switch token := args[0].(string); {
	case s.away:
		cmd.SetErr(errors.New("connection refused"))
	case len(keys) > 1:
		cmd.SetVal(s.acquire(token, keys))
	case len(args) == 1:
		cmd.SetVal(s.keep(keys[0], token, 0))
	default:
		cmd.SetVal(s.keep(keys[0], token, nodeTTL))
	}
	return cmd
}

func (s *numbers) acquire(token string, keys []string) any {
	for i, key := range keys[:len(keys)-1] {
		if !time.Now().Before(s.until[key]) {
			s.holders[key], s.until[key] = token, time.Now().Add(nodeTTL)
			return []any{int64(i + 1), int64(1)}
		}
	}
	return []any{int64(0), int64(0)}
}

func (s *numbers) keep(key, value string, ttl time.Duration) any {
	if token, _, _ := strings.Cut(value, ":"); s.holders[key] != token || !time.Now().Before(s.until[key]) {
		return int64(0)
	}
	s.until[key] = time.Now().Add(ttl)
	return int64(1)
}

// set changes the store between two calls.
func (s *numbers) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *numbers) empty() { clear(s.holders); clear(s.until) }

// takeAll gives every slot that is free to somebody else.
func (s *numbers) takeAll() {
	for slot := range shortener.MaxNode + 1 {
		key := slotName(slot)
		s.holders[key], s.until[key] = "others", time.Now().Add(time.Hour)
	}
}

func slotName(slot int) string { return nodePrefix + "x:" + strconv.Itoa(slot) }

var today = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// keepNumber runs test beside a process that keeps a node number.
func keepNumber(t *testing.T, test func(store *numbers, codes *nodeCodes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := newNumbers()
		time.Sleep(time.Until(today)) // ids are not older than the product
		codes := &nodeCodes{fixed: -1, client: store, prefix: nodePrefix + "x", key: make([]byte, 32), log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- codes.run(ctx) }()
		synctest.Wait()
		test(store, codes)
		cancel()
		<-done
	})
}

// watch asks for a code ten times a second and returns how often there was none.
func watch(codes *nodeCodes, d time.Duration) (refused int) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, _, err := codes.Next(); err != nil {
			refused++
		}
	}
	return refused
}

func TestLinksAreMadeWhileTheCoordinationStoreIsAway(t *testing.T) {
	keepNumber(t, func(store *numbers, codes *nodeCodes) {
		store.set(func() { store.away = true })
		if refused := watch(codes, 10*nodeTTL); refused > 0 {
			t.Errorf("%d codes were refused while nobody could take the number, want 0", refused)
		}
		before := codes.current.Load().node
		store.set(func() { store.empty(); store.away = false })
		if refused := watch(codes, nodeTTL); refused > 0 {
			t.Errorf("%d codes were refused when the store came back empty, want 0", refused)
		}
		if after := codes.current.Load(); after.node != before || after.lease.Context().Err() != nil {
			t.Errorf("node number: got %d, want %d again, under a lease", after.node, before)
		}
	})
}

func TestAnEmptiedStoreGivesTheSameNumberAgain(t *testing.T) {
	keepNumber(t, func(store *numbers, codes *nodeCodes) {
		first := codes.current.Load()
		store.set(func() {
			store.empty()
			store.holders[slotName(1)], store.until[slotName(1)] = "somebody", time.Now().Add(time.Hour)
		})
		time.Sleep(nodeTTL)
		if now := codes.current.Load(); now.node != first.node || now == first {
			t.Errorf("node number after the store was emptied: got %d, want %d under a new lease", now.node, first.node)
		}
	})
}

func TestANumberThatSomebodyElseHasIsNotUsed(t *testing.T) {
	keepNumber(t, func(store *numbers, codes *nodeCodes) {
		first := codes.current.Load().node
		store.set(func() { store.holders[slotName(first)] = "somebody" })
		time.Sleep(nodeTTL)
		if now := codes.current.Load(); now.node == first || !now.usable() {
			t.Errorf("node number: got %d, want another than %d, which somebody has", now.node, first)
		}
		store.set(func() { store.takeAll(); store.away = true })
		time.Sleep(nodeTTL) // lost in silence: kept
		if _, _, err := codes.Next(); err != nil {
			t.Errorf("while the store is away: %v", err)
		}
		store.set(func() { store.away = false })
		time.Sleep(2 * time.Second)
		if _, _, err := codes.Next(); shortener.KindOf(err) != shortener.Unavailable {
			t.Errorf("with every number held by others: got %v, want Unavailable", err)
		}
		store.set(func() { store.away = true })
		time.Sleep(time.Minute)
		if _, _, err := codes.Next(); shortener.KindOf(err) != shortener.Unavailable {
			t.Errorf("with every number held by others, and the store away again: got %v, want Unavailable", err)
		}
	})
}

func TestWhoSleptAsksBeforeTheNumberIsUsed(t *testing.T) {
	store := newNumbers()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today))
		codes := &nodeCodes{fixed: -1, client: store, prefix: nodePrefix + "x", key: make([]byte, 32), log: slog.New(slog.DiscardHandler)}
		if _, err := codes.lease(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(nodeTTL) // nobody renews, as in a process that is stopped
		synctest.Wait()
		if _, _, err := codes.Next(); shortener.KindOf(err) != shortener.Unavailable {
			t.Errorf("a code under a lease that ran out: got %v, want Unavailable", err)
		}
	})
}

// A process that has a number when it begins to keep it takes no second one.
func TestAProcessHasOneNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newNumbers()
		time.Sleep(time.Until(today))
		codes := &nodeCodes{fixed: -1, client: store, prefix: nodePrefix + "x", key: make([]byte, 32), log: slog.New(slog.DiscardHandler)}
		if _, err := codes.lease(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- codes.run(ctx) }()
		time.Sleep(time.Minute)
		if n := len(store.holders); n != 1 {
			t.Errorf("%d numbers were taken, want 1", n)
		}
		cancel()
		<-done
	})
}
