//go:build integration

package fleet

import (
	"testing"
	"time"
)

// TestOneIsAway takes away one of those whom links do not need to be followed: redirects go on, new
// links and edits are refused, and nothing that was answered is lost.
func TestOneIsAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.seed(seedLinks)
	for name, away := range map[string]struct{ away, back, part string }{
		"the event store is killed": {"kill", "start", "postgres"},
		"the event store hangs":     {"pause", "resume", "postgres"},
		"the api is killed":         {"kill", "start", "rear-1"},
		"the api is stopped":        {"stop", "start", "rear-1"},
	} {
		f.run(name, func(t *testing.T) {
			f.endureWithout(t, stalePubs, func() {
				f.do(away.away, away.part)
				time.Sleep(pauseFor)
				f.do(away.back, away.part)
			})
			f.awaitBack(t)
		})
	}
	f.recount(t, stalePubs)
}
