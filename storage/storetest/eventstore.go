// Package storetest holds one conformance suite a store. An implementation is right if it passes the
// suite; fakes are held to it as well.
package storetest

import (
	"testing"
	"time"

	"snowlink/storage/eventstore"
)

// EventLogs makes event stores for the suite.
type EventLogs struct {
	// Place returns a new, empty place for a store: a path, an address. It is cleaned up with the test.
	Place func(t testing.TB) string
	// Open opens the store at a place. It is called in another process too, and twice for one place,
	// but not while the place is open unless that is Shared. now is the store's clock.
	Open func(t testing.TB, place string, now func() time.Time) eventstore.Store
	// Shared says that several may have a place open at the same time, in several processes.
	Shared bool
	// Exec runs a statement of SQL behind the store's back. The tables events and links have the same
	// columns everywhere.
	Exec func(t testing.TB, place, statement string)
}

func (l EventLogs) fresh(t testing.TB) eventstore.Store {
	t.Helper()
	return l.open(t, l.Place(t))
}

func (l EventLogs) open(t testing.TB, place string) eventstore.Store {
	t.Helper()
	log := l.Open(t, place, time.Now)
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return log
}

// EventStore runs the conformance suite of event stores.
func EventStore(t *testing.T, logs EventLogs) {
	for name, test := range map[string]func(*testing.T, EventLogs){
		"what was appended is there":                     appended,
		"expected versions":                              expectedVersions,
		"a commit that lies about its link is refused":   lies,
		"positions are gapless to a follower":            gapless,
		"repeated by event ids":                          repeated,
		"once":                                           once,
		"once, at the same time":                         onceConcurrently,
		"an idempotency key expires":                     onceExpires,
		"a conflict does not hurt its neighbours":        neighbours,
		"a list is what a search of all links would say": lists,
		"a list's pages neither miss nor repeat":         pages,
		"replay makes an equal view":                     replays,
		"verify finds a changed row":                     verifies,
		"verify names what is wrong":                     verifiesAll,
		"a replay that cannot end changes nothing":       replaysInVain,
		"what was acknowledged survives SIGKILL":         survives,
		"checkpoints":                                    checkpoints,
		"secrets are drawn once":                         secrets,
		"API keys":                                       apiKeys,
		"memberships follow one another":                 memberships,
		"a walk meets every link":                        walks,
		"a closed store says so":                         closed,
	} {
		t.Run(name, func(t *testing.T) { test(t, logs) })
	}
	if !logs.Shared {
		return
	}
	for name, test := range sharedTests {
		t.Run(name, func(t *testing.T) { test(t, logs) })
	}
}
