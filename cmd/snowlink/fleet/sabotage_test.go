package fleet

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCrowdNoticesSabotage has the crowd on a service that is wrong in one way, and wants that very
// fault found: a check that cannot fail is none.
func TestCrowdNoticesSabotage(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(c call) bool
		want  []string // what the faults begin with: of visits, edits, creates, and of the last count
	}{
		"nothing is wrong":                      {},
		"an edit is seen late, but soon enough": {func(c call) bool { return c.old(900 * time.Millisecond) }, nil},
		"an edit is seen too late":              {func(c call) bool { return c.old(1100 * time.Millisecond) }, []string{"visits: stale"}},
		"an edit is acknowledged and forgotten": {func(c call) bool {
			return c.Method == http.MethodPatch && c.n%3 == 0 && c.link(http.StatusOK, "any", c.url)
		}, []string{"visits: stale", "last: astray"}},
		"a link is not found now and then": {func(c call) bool {
			return c.seldom() && c.say(http.StatusNotFound)
		}, []string{"visits: lost", "last: lost"}},
		"a link is gone now and then": {func(c call) bool {
			return c.seldom() && c.say(http.StatusGone)
		}, []string{"visits: lost", "last: lost"}},
		"a visitor is led where another link leads": {func(c call) bool {
			return c.seldom() && c.lead(nthTarget("another", 1))
		}, []string{"visits: astray", "last: astray"}},
		"a redirect leads nowhere": {func(c call) bool {
			return c.seldom() && c.say(http.StatusFound)
		}, []string{"visits: astray", "last: astray"}},
		"a visitor is refused": {func(c call) bool {
			return c.seldom() && c.refuse()
		}, []string{"visits: refused", "last: refused"}},
		"a refusal does not say when to come again": {func(c call) bool {
			return c.seldom() && c.say(http.StatusServiceUnavailable)
		}, []string{"visits: broken", "last: broken"}},
		"a connection is cut": {func(c call) bool {
			if c.seldom() {
				panic(http.ErrAbortHandler)
			}
			return false
		}, []string{"visits: broken", "last: broken"}},
		"an answer takes its time": {func(c call) bool {
			if c.seldom() {
				time.Sleep(200 * time.Millisecond)
			}
			return false
		}, []string{"visits: slow"}},
		"a link is promised and not kept": {func(c call) bool {
			return c.Method == http.MethodPost && c.n%3 == 0 && c.made(fmt.Sprintf("never-kept-%d", c.n))
		}, []string{"visits: lost", "last: lost"}},
		"a code is given twice": {func(c call) bool {
			return c.Method == http.MethodPost && c.n%3 == 0 && c.made(seedCode(1))
		}, []string{"creates: broken"}},
		"creates are refused": {func(c call) bool {
			return c.Method == http.MethodPost && c.refuse()
		}, []string{"creates: refused"}},
		"edits fail, and nobody knows which": {func(c call) bool {
			return c.Method == http.MethodPatch && c.say(http.StatusInternalServerError)
		}, []string{"edits: broken"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const seeds = 300
				c := &crowd{book: newBook(seeds), edges: []*lines{startFake(t, seeds, tc.spoil)}}
				c.gather(rates{visits: 100, edits: 10, creates: 5})
				time.Sleep(6 * time.Second)
				c.disperse()
				time.Sleep(2 * time.Second) // edits reach everybody
				visits, edits, creates := c.acts()
				strict := demand{lag: time.Second}
				got := kinds("visits: ", visits.faults(demand{lag: time.Second, p99: 100 * time.Millisecond}))
				got = append(got, kinds("edits: ", edits.faults(strict))...)
				got = append(got, kinds("creates: ", creates.faults(strict))...)
				got = append(got, kinds("last: ", c.recount(seeds).faults(strict))...)
				c.hangUp()
				if !slices.Equal(got, tc.want) {
					t.Errorf("got faults %q, want %q\n%s", got, tc.want, visits.bySecond(visits[0].due))
				}
			})
		})
	}
}

// kinds returns what each fault begins with.
func kinds(of string, faults []string) []string {
	var found []string
	for _, fault := range faults {
		kind, _, _ := strings.Cut(fault, ":")
		found = append(found, of+kind)
	}
	return found
}

// seldom is true for one visit in fifty.
func (c call) seldom() bool { return c.visit() && c.n%50 == 0 }

// old leads a visitor to the target before the last, for as long as the last is younger than age.
func (c call) old(age time.Duration) bool {
	n := len(c.targets)
	return c.visit() && n > 1 && time.Since(c.targets[n-1].at) < age && c.lead(c.targets[n-2].target)
}

func (c call) refuse() bool {
	c.w.Header().Set("Retry-After", "1")
	return c.say(http.StatusServiceUnavailable)
}
