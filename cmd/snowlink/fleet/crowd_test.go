package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A crowd follows, edits and makes links through the edges at steady rates, whatever becomes of the
// calls before: who is answered late is not followed by fewer.
type crowd struct {
	edges []*lines
	book  *book
	draw  func() string // the link to follow; nil for what the book draws

	over   chan struct{}
	pacers sync.WaitGroup
	calls  sync.WaitGroup
	made   atomic.Int64
	unsure atomic.Int64 // of links that were asked for: they may be there, though nobody said so

	mu      sync.Mutex
	visits  acts
	edits   acts
	creates acts
}

// rates are per second, over all edges.
type rates struct{ visits, edits, creates float64 }

// gather starts the crowd, which has no acts yet.
func (c *crowd) gather(r rates) {
	c.over = make(chan struct{})
	c.visits, c.edits, c.creates = nil, nil, nil
	c.pace(r.visits, c.visit, &c.visits)
	c.pace(r.edits, c.edit, &c.edits)
	c.pace(r.creates, c.create, &c.creates)
}

// disperse ends the crowd. All that it began is answered when it returns.
func (c *crowd) disperse() {
	close(c.over)
	c.pacers.Wait()
	c.calls.Wait()
	c.hangUp()
}

func (c *crowd) hangUp() {
	for _, edge := range c.edges {
		edge.hangUp()
	}
}

// acts returns what visitors, editors and makers have done so far.
func (c *crowd) acts() (visits, edits, creates acts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(acts(nil), c.visits...), append(acts(nil), c.edits...), append(acts(nil), c.creates...)
}

// pace has something done at a rate, each time at some edge, until the crowd is over.
func (c *crowd) pace(rate float64, do func(*lines) (act, bool), into *acts) {
	if rate <= 0 {
		return
	}
	c.pacers.Go(func() {
		step := time.Duration(float64(time.Second) / rate)
		for due := time.Now(); ; due = due.Add(step) {
			select {
			case <-c.over:
				return
			case <-time.After(time.Until(due)):
			}
			edge := c.edges[rand.IntN(len(c.edges))]
			c.calls.Go(func() {
				if a, done := do(edge); done {
					a.due, a.took = due, time.Since(due)
					c.mu.Lock()
					defer c.mu.Unlock()
					*into = append(*into, a)
				}
			})
		}
	})
}

// visit follows a link.
func (c *crowd) visit(edge *lines) (act, bool) {
	draw := c.draw
	if draw == nil {
		draw = func() string { return c.book.draw(time.Now()) }
	}
	a, _ := c.follow(edge, draw())
	return a, true
}

// follow asks an edge for a link and judges the answer.
func (c *crowd) follow(edge *lines, code string) (a act, target string) {
	asked := time.Now()
	r, err := edge.ask(http.MethodGet, "/"+code, nil)
	answered := time.Now()
	a = act{kind: right, note: fmt.Sprintf("at %s %s /%s: %s", answered.Format("15:04:05.000"), edge.address, code, r.said(err))}
	switch {
	case err != nil:
		a.kind = broken
	case r.honest():
		a.kind = refused
	case r.status == http.StatusNotFound, r.status == http.StatusGone:
		a.kind = lost
	case r.status != http.StatusFound:
		a.kind = broken
	default:
		var ok bool
		if a.lag, ok = c.book.judge(code, r.location, asked, answered); !ok {
			a.kind = astray
		}
	}
	return a, r.location
}

// edit gives a link another target.
func (c *crowd) edit(edge *lines) (act, bool) {
	code := c.book.drawEdit()
	target, ok := c.book.begin(code, time.Now())
	if !ok {
		return act{}, false
	}
	r, err := edge.ask(http.MethodPatch, "/api/v1/links/"+code, map[string]string{"url": target})
	a := act{kind: right, note: fmt.Sprintf("PATCH %s: %s", code, r.said(err))}
	switch {
	case err != nil:
		a.kind = broken
	case r.honest():
		a.kind = refused
	case r.status != http.StatusOK:
		a.kind = broken
	}
	c.book.end(code, a.kind == right, time.Now())
	return a, true
}

// create makes a link.
func (c *crowd) create(edge *lines) (act, bool) {
	want := fmt.Sprintf("https://www.example.com/made/%d?of=%d", c.made.Add(1), time.Now().UnixNano())
	r, err := edge.ask(http.MethodPost, "/api/v1/links", map[string]string{"url": want})
	a := act{kind: right, note: "POST: " + r.said(err)}
	switch {
	case err != nil:
		a.kind = broken
	case r.honest():
		a.kind = refused
	case r.status != http.StatusCreated:
		a.kind = broken
	default:
		code, target, err := readLink(r.body)
		if err != nil || target != want || !c.book.create(code, target, time.Now()) {
			a.kind = broken
		}
	}
	if a.kind != right {
		c.unsure.Add(1)
	}
	return a, true
}

// honest reports whether the answer is a refusal as it ought to be.
func (r reply) honest() bool {
	return r.status == http.StatusServiceUnavailable && r.retryAfter != ""
}

func (r reply) said(err error) string {
	if err != nil {
		return err.Error()
	}
	if r.location != "" {
		return fmt.Sprintf("%d to %s", r.status, r.location)
	}
	return fmt.Sprintf("%d %.200q", r.status, r.body)
}

// recount follows every link that was made or edited, and others until there are enough, at each edge.
// An edit that is in doubt is asked for at the API, which must know.
func (c *crowd) recount(enough int) acts {
	codes := make(chan string)
	var all acts
	var mu sync.Mutex
	var crew sync.WaitGroup
	for range 16 {
		crew.Go(func() {
			for code := range codes {
				found := c.look(code)
				mu.Lock()
				all = append(all, found...)
				mu.Unlock()
			}
		})
	}
	for _, code := range c.book.all(enough) {
		codes <- code
	}
	close(codes)
	crew.Wait()
	return all
}

// look follows a link at each edge and wants the same last target from all.
func (c *crowd) look(code string) acts {
	want := c.book.settled(code)
	if len(want) > 1 {
		target, err := c.truth(code)
		if err != nil || !slices.Contains(want, target) {
			return acts{{kind: astray, note: fmt.Sprintf("the api says that %s leads to %q (%v), want one of %q", code, target, err, want)}}
		}
		want = []string{target}
	}
	var found acts
	for _, edge := range c.edges {
		a, target := c.follow(edge, code)
		if a.kind == right && target != want[0] {
			a.kind, a.note = astray, a.note+", want "+want[0]
		}
		a.lag = 0 // only the last target is right by now
		found = append(found, a)
	}
	return found
}

// truth asks the API where a link leads.
func (c *crowd) truth(code string) (target string, err error) {
	r, err := c.edges[0].ask(http.MethodGet, "/api/v1/links/"+code, nil)
	if err != nil {
		return "", err
	}
	_, target, err = readLink(r.body)
	return target, err
}
