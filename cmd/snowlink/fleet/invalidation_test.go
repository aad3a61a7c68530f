//go:build integration

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEditsReachEveryEdge measures for how long an edge leads to the target that was replaced: while
// announcements arrive, while they are cut off, and again afterwards.
func TestEditsReachEveryEdge(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--replicas", "0")
	f.seed(2000)
	prompt := func(when string) {
		var longest time.Duration
		for i := range 20 {
			longest = max(longest, f.spread(t, seedCode(i)))
		}
		t.Logf("%s: seen by every edge after %v at most", when, longest)
		if limit := time.Second * raceFactor; longest > limit {
			t.Errorf("%s: seen by every edge after %v, want %v at most", when, longest, limit)
		}
	}
	prompt("announced")

	listeners := f.redis("pubsub", "numsub", "links.changed")
	f.redis("acl", "setuser", "default", "-subscribe", "-psubscribe", "-ssubscribe")
	f.redis("client", "kill", "type", "pubsub")
	time.Sleep(time.Second)
	took := f.spread(t, seedCode(50))
	t.Logf("cut off: seen by every edge after %v", took)
	if limit := 31 * time.Second; took > limit {
		t.Errorf("cut off: seen by every edge after %v, want %v at most", took, limit)
	}

	f.redis("acl", "setuser", "default", "+subscribe", "+psubscribe", "+ssubscribe")
	f.eventually("subscribed again", 30*time.Second, func() error {
		if now := f.redis("pubsub", "numsub", "links.changed"); !slices.Equal(now, listeners) {
			return fmt.Errorf("listeners: got %q, want %q", now, listeners)
		}
		return nil
	})
	time.Sleep(time.Second)
	prompt("announced again")
}

// spread edits a link that every edge has in memory, and returns how long it took from the
// acknowledgement until each leads to the new target.
func (f *fleet) spread(t *testing.T, code string) time.Duration {
	t.Helper()
	for _, edge := range f.crowd.edges {
		if a, _ := f.crowd.follow(edge, code); a.kind != right {
			t.Fatalf("%v: %s", a.kind, a.note)
		}
	}
	target, ok := f.crowd.book.begin(code, time.Now())
	if !ok {
		t.Fatalf("link %s is edited already", code)
	}
	r, err := f.crowd.edges[0].ask("PATCH", "/api/v1/links/"+code, map[string]string{"url": target})
	acknowledged := time.Now()
	if err != nil || r.status != 200 {
		t.Fatalf("edit %s: %s", code, r.said(err))
	}
	f.crowd.book.end(code, true, acknowledged)
	for _, edge := range f.crowd.edges {
		f.eventually("at the new target", time.Minute, func() error {
			a, got := f.crowd.follow(edge, code)
			if a.kind != right || got != target {
				return fmt.Errorf("%v: %s", a.kind, a.note)
			}
			return nil
		})
	}
	return time.Since(acknowledged)
}

// redis puts a command to every Redis, and returns what each said.
func (f *fleet) redis(command ...string) []string {
	f.t.Helper()
	var said []string
	for _, part := range f.parts() {
		if strings.HasPrefix(part.name, "redis-") {
			said = append(said, f.do(append([]string{"ask", part.name}, command...)...))
		}
	}
	return said
}
