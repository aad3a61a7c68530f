//go:build integration

package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOutage takes away everything that edges lean on: the shards, the processes behind and the event
// store. Links that are in use go on, the others are refused at once and politely, and all of them are
// there again when what was lost is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.seed(seedLinks)
	for name, outage := range map[string]struct {
		away, back string
		notice     time.Duration // it takes until all edges know
	}{
		"dead": {away: "kill", back: "start"},
		// Whether somebody who says nothing will say something yet is only known after a while.
		"hanging": {away: "pause", back: "resume", notice: 3 * time.Second},
	} {
		f.run(name, func(t *testing.T) {
			f.warm(t)
			f.do(append([]string{outage.away}, f.behind()...)...)
			began := time.Now()
			known, unknown, creates := f.visitDuring(outage.notice + pauseFor)
			report(t, "hot links", known.faults(demand{p99: quick}))
			report(t, "cold links", unknown.faults(demand{refusals: true}))
			later := unknown.between(began.Add(outage.notice), time.Now())
			report(t, "cold links, once it is known", later.faults(demand{refusals: true, p99: 2 * quick}))
			if n, all := creates.count(refused), len(creates); n < all/(2*raceFactor) || creates.count(right) > 0 {
				t.Errorf("creates: %d of %d were refused and %d answered 201, want most and none: %s", n, all, creates.count(right), creates.notes(broken, 3))
			}
			t.Logf("p99 of hot links %v, of cold ones %v", known.percentile(0.99), later.percentile(0.99))
			behind := f.behind()
			slices.Reverse(behind) // what others lean on first
			f.do(append([]string{outage.back}, behind...)...)
			f.awaitBack(t)
		})
	}
	f.recount(t, 5*time.Second)
}

func report(t *testing.T, of string, faults []string) {
	t.Helper()
	for _, fault := range faults {
		t.Errorf("%s: %s", of, fault)
	}
}

// behind returns all parts but the edges, those first that lean on others.
func (f *fleet) behind() []string {
	var names []string
	for _, part := range f.parts() {
		if !strings.HasPrefix(part.name, "edge-") {
			names = append(names, part.name)
		}
	}
	slices.Reverse(names)
	return names
}

// warm has each edge asked for every hot link.
func (f *fleet) warm(t *testing.T) {
	t.Helper()
	for _, edge := range f.crowd.edges {
		for i := range hot {
			if a, _ := f.crowd.follow(edge, seedCode(i)); a.kind != right {
				t.Fatalf("a hot link: %v: %s", a.kind, a.note)
			}
		}
	}
}

// visitDuring has hot links followed, and others that no edge was asked for before, and some made.
func (f *fleet) visitDuring(d time.Duration) (known, unknown, creates acts) {
	regulars := &crowd{edges: f.crowd.edges, book: f.crowd.book, draw: func() string { return seedCode(rand.IntN(hot)) }}
	strangers := &crowd{edges: f.crowd.edges, book: f.crowd.book, draw: f.cold}
	regulars.gather(rates{visits: 200})
	strangers.gather(rates{visits: 100, creates: 5})
	time.Sleep(d)
	regulars.disperse()
	strangers.disperse()
	known, _, _ = regulars.acts()
	unknown, _, creates = strangers.acts()
	return known, unknown, creates
}

// cold draws a link that is not hot.
func (f *fleet) cold() string { return seedCode(hot + rand.IntN(seedLinks-hot)) }

// awaitBack wants cold links to redirect and new ones to be made at every edge within five seconds.
func (f *fleet) awaitBack(t *testing.T) {
	t.Helper()
	began := time.Now()
	for _, edge := range f.crowd.edges {
		f.eventually("back", time.Until(began.Add(5*time.Second*raceFactor)), func() error {
			for range 50 {
				if a, _ := f.crowd.follow(edge, f.cold()); a.kind != right {
					return fmt.Errorf("%v: %s", a.kind, a.note)
				}
			}
			if a, _ := f.crowd.create(edge); a.kind != right {
				return fmt.Errorf("%v: %s", a.kind, a.note)
			}
			return nil
		})
	}
	t.Logf("all is back after %v", time.Since(began).Round(time.Millisecond))
	if r, err := f.crowd.edges[0].ask(http.MethodGet, "/api/v1/links/"+seedCode(1), nil); err != nil || r.status != http.StatusOK {
		t.Errorf("the API: %s", r.said(err))
	}
}
