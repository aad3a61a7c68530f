package api

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"snowlink/shortener"
)

// feed hands clicks to viewers soon after they were stored. It asks the click store once for all of them,
// and only while there are any; so it works for every store and however many workers fill it. What it
// tells is not the account: a click that comes later than feedWindow is not told of, and neither are more
// than feedPage of one moment. The figures have them all.
type feed struct {
	clicks ClickLog
	log    *slog.Logger
	now    func() time.Time
	every  time.Duration // between two looks

	mu      sync.Mutex
	viewers map[*viewer]struct{}
	stop    context.CancelFunc // ends the looks; nil while nobody views
	closed  bool
	since   time.Time            // when the looks began
	seen    map[string]time.Time // clicks told of, or older than since, by id
	down    bool                 // the click store did not answer
}

const (
	feedWindow  = 30 * time.Second
	feedPage    = 1000
	maxViewers  = 1000
	viewerQueue = 256
)

// A viewer gets the clicks that its query selects, oldest first.
type viewer struct {
	query  shortener.ClickQuery
	events chan feedEvent // closed when the feed ends
}

// feedEvent is a click, or something about the feed itself.
type feedEvent struct {
	name  string
	click *shortener.StoredClick // of eventClick
}

// The names of events.
const (
	eventClick       = "click"
	eventSkipped     = "skipped"     // there were clicks that are not told of
	eventUnavailable = "unavailable" // the click store has ceased to answer
	eventAvailable   = "available"   // it answers again
)

func newFeed(clicks ClickLog, log *slog.Logger, now func() time.Time) *feed {
	return &feed{clicks: clicks, log: log, now: now, every: 500 * time.Millisecond, viewers: map[*viewer]struct{}{}}
}

var errTooManyViewers = shortener.Errorf(shortener.Unavailable, "Too many look at the stream of clicks: come back later.")

// join begins to tell a viewer of what comes from now on.
func (f *feed) join(q shortener.ClickQuery) (*viewer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.viewers) >= maxViewers {
		return nil, errTooManyViewers
	}
	v := &viewer{query: q, events: make(chan feedEvent, viewerQueue)}
	f.viewers[v] = struct{}{}
	if f.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f.stop, f.since, f.seen = cancel, f.now(), nil
		go f.run(ctx)
	}
	return v, nil
}

// leave ends what join began.
func (f *feed) leave(v *viewer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.viewers[v]; !ok {
		return
	}
	delete(f.viewers, v)
	if len(f.viewers) == 0 && f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

// close ends all viewers' events, and refuses further ones.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
	for v := range f.viewers {
		close(v.events)
		delete(f.viewers, v)
	}
}

func (f *feed) run(ctx context.Context) {
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		f.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look tells of the clicks that were not there at the last look. The first one finds out what was there
// before anybody viewed.
func (f *feed) look(ctx context.Context) {
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	from := f.now().Add(-feedWindow)
	page, err := f.clicks.Recent(ask, shortener.ClickQuery{From: from}, feedPage)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	f.answered(err)
	if err != nil {
		return
	}
	slices.SortFunc(page, byTime)
	first := f.seen == nil
	fresh := f.note(page, from)
	if first {
		fresh = slices.DeleteFunc(fresh, func(c *shortener.StoredClick) bool { return c.At.Before(f.since) })
	}
	if len(fresh) == feedPage {
		f.tell(feedEvent{name: eventSkipped})
	}
	for _, c := range fresh {
		f.tell(feedEvent{eventClick, c})
	}
}

// answered tells when the click store ceases to answer, and when it does again.
func (f *feed) answered(err error) {
	if f.down == (err != nil) {
		return
	}
	if f.down = err != nil; f.down {
		f.log.Warn("the stream of clicks waits for the click store", "error", err)
		f.tell(feedEvent{name: eventUnavailable})
	} else {
		f.tell(feedEvent{name: eventAvailable})
	}
}

func byTime(a, b shortener.StoredClick) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Producer, b.Producer), cmp.Compare(a.Seq, b.Seq))
}

// note remembers the clicks of page and forgets those before from. It returns those it did not know.
func (f *feed) note(page []shortener.StoredClick, from time.Time) (fresh []*shortener.StoredClick) {
	if f.seen == nil {
		f.seen = map[string]time.Time{}
	}
	for id, at := range f.seen {
		if at.Before(from) {
			delete(f.seen, id)
		}
	}
	for i := range page {
		id := page[i].ID()
		if _, known := f.seen[id]; !known {
			f.seen[id] = page[i].At
			fresh = append(fresh, &page[i])
		}
	}
	return fresh
}

// tell hands an event to those whom it concerns. Who has not taken so many does not hold the others up:
// the last place in a queue is for saying that something was left out.
func (f *feed) tell(e feedEvent) {
	for v := range f.viewers {
		if e.click != nil && !v.query.Matches(e.click) {
			continue
		}
		if len(v.events) < viewerQueue-1 {
			v.events <- e
		} else if len(v.events) < viewerQueue {
			v.events <- feedEvent{name: eventSkipped}
		}
	}
}
