package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// sharedTests are for stores of which several processes may have the same place open.
var sharedTests = map[string]func(*testing.T, EventLogs){
	"many open a new place at once":               openedAtOnce,
	"what one process appends the others see":     seenByOthers,
	"of many processes one gets the code":         wonByOne,
	"an idempotency key is used by one of many":   usedByOne,
	"secrets are drawn by one of many":            drawnByOne,
	"memberships follow one another for all":      followedByAll,
	"one that closes does not disturb the others": closedByOne,
}

// openMany opens the same place several times.
func (l EventLogs) openMany(t *testing.T, n int) []eventstore.Store {
	t.Helper()
	place := l.Place(t)
	stores := make([]eventstore.Store, n)
	for i := range stores {
		stores[i] = l.open(t, place)
	}
	return stores
}

func openedAtOnce(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			log := logs.Open(t, place, time.Now)
			defer log.Close()
			if _, _, err := log.Append(t.Context(), creation(ref(fmt.Sprintf("c%d", i)), to("https://one.example/"))); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	log := logs.open(t, place)
	if n, err := log.CountLinks(t.Context()); n != 6 || err != nil {
		t.Errorf("links: %d, %v; want 6", n, err)
	}
	wantSound(t, log)
}

func seenByOthers(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 2)
	one, other := stores[0], stores[1]
	for i := range 20 {
		waited := make(chan error, 1)
		go func() { waited <- other.Wait(t.Context(), int64(i)) }()
		made := mustAppend(t, one, creation(ref(fmt.Sprintf("c%d", i)), to("https://one.example/")))
		if err := <-waited; err != nil {
			t.Fatalf("wait: %v", err)
		}
		if events, err := other.Read(t.Context(), int64(i), 10); err != nil || len(events) != 1 || events[0].Ref != made.Ref {
			t.Fatalf("read by the other: %+v, %v; want the event of %s", events, err, made.Ref)
		}
		if link, err := other.Link(t.Context(), made.Ref); err != nil || link.Version != 1 {
			t.Fatalf("link for the other: %+v, %v; want version 1", link, err)
		}
		one, other = other, one
	}
}

// compete has several stores append commits at once and counts by the kind of what they were answered.
func compete(t *testing.T, stores []eventstore.Store, commits func(i int) shortener.Commit) (made, replayed, taken int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, log := range stores {
		wg.Go(func() {
			_, again, err := log.Append(t.Context(), commits(i))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && again:
				replayed++
			case err == nil:
				made++
			case shortener.KindOf(err) == shortener.Taken:
				taken++
			default:
				t.Errorf("append %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return made, replayed, taken
}

func wonByOne(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 4)
	for round := range 10 {
		code := ref(fmt.Sprintf("c%d", round))
		made, _, taken := compete(t, stores, func(i int) shortener.Commit { return creation(code, to(fmt.Sprintf("https://%d.example/", i))) })
		if made != 1 || taken != 3 {
			t.Errorf("4 processes that want the code %s: %d were told that they have it, %d that it is taken; want 1 and 3", code, made, taken)
		}
	}
	wantSound(t, stores[0])
}

func usedByOne(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 4)
	made, replayed, _ := compete(t, stores, func(i int) shortener.Commit {
		c := creation(ref(fmt.Sprintf("c%d", i)), to("https://one.example/"))
		c.Once = &shortener.Once{Owner: "me", Key: "k", Fingerprint: [32]byte{1}, Expires: time.Now().Add(time.Hour)}
		return c
	})
	if made != 1 || replayed != 3 {
		t.Errorf("4 equal requests to 4 processes: %d links made, %d replayed; want 1 and 3", made, replayed)
	}
}

func drawnByOne(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 4)
	var wg sync.WaitGroup
	metas, salts := make([][]byte, len(stores)), make([][]byte, len(stores))
	for i, log := range stores {
		wg.Go(func() {
			var err error
			if metas[i], err = log.Meta(t.Context(), "secret", func() []byte { return []byte{byte(i)} }); err != nil {
				t.Errorf("meta: %v", err)
			}
			if salts[i], err = log.Salt(t.Context(), "2026-03-01"); err != nil {
				t.Errorf("salt: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range stores {
		if !bytes.Equal(metas[i], metas[0]) || !bytes.Equal(salts[i], salts[0]) {
			t.Errorf("process %d has the secret %x and the salt %x; want %x and %x as the first", i, metas[i], salts[i], metas[0], salts[0])
		}
	}
}

func followedByAll(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 4)
	for epoch := uint64(1); epoch <= 5; epoch++ {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for _, log := range stores {
			wg.Go(func() {
				err := log.PutMembership(t.Context(), epoch, []byte("{}"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else {
					wantKind(t, "a membership that came second", err, shortener.Conflict)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("epoch %d was made by %d processes, want one", epoch, won)
		}
	}
}

func closedByOne(t *testing.T, logs EventLogs) {
	stores := logs.openMany(t, 2)
	waited := make(chan error, 1)
	go func() { waited <- stores[1].Wait(t.Context(), 0) }()
	if err := stores[0].Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	mustAppend(t, stores[1], creation(ref("a"), to("https://one.example/")))
	if err := <-waited; err != nil {
		t.Errorf("wait over the close of another: %v", err)
	}
}
