package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"snowlink/shortener"
)

var errDown = shortener.Errorf(shortener.Unavailable, "The event store does not answer.")

// memory is an event store that works, and can be down.
type memory struct {
	mu     sync.Mutex
	down   error
	events []shortener.Event
	links  map[shortener.Ref]shortener.Link
	once   map[[2]string]onceEntry
	keys   []shortener.APIKey
	asked  int // calls of KeyByHash
}

type onceEntry struct {
	shortener.Once
	made shortener.Link
}

func newMemory() *memory {
	return &memory{links: map[shortener.Ref]shortener.Link{}, once: map[[2]string]onceEntry{}}
}

func (m *memory) setDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

func (m *memory) enter() (leave func(), err error) {
	m.mu.Lock()
	return m.mu.Unlock, m.down
}

func (m *memory) Append(_ context.Context, c shortener.Commit) (shortener.Link, bool, error) {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return shortener.Link{}, false, err
	}
	if c.Once != nil {
		if entry, ok := m.once[[2]string{c.Once.Owner, c.Once.Key}]; ok {
			if entry.Fingerprint != c.Once.Fingerprint {
				return shortener.Link{}, false, shortener.InvalidField("Idempotency-Key", "idempotency-key-reused", "This key was used for another request.")
			}
			return entry.made, true, nil
		}
	}
	switch found := m.links[c.Ref].Version; {
	case found == c.Expected:
	case c.Expected == 0:
		return shortener.Link{}, false, shortener.Errorf(shortener.Taken, "The code %q is taken.", c.Ref.Code)
	default:
		return shortener.Link{}, false, shortener.Errorf(shortener.Conflict, "The link is at version %d.", found)
	}
	for i := range c.Events {
		c.Events[i].Position = int64(len(m.events) + 1)
		m.events = append(m.events, c.Events[i])
	}
	m.links[c.Ref] = c.After
	if c.Once != nil {
		m.once[[2]string{c.Once.Owner, c.Once.Key}] = onceEntry{*c.Once, c.After}
	}
	return c.After, false, nil
}

func (m *memory) Link(_ context.Context, ref shortener.Ref) (shortener.Link, error) {
	leave, err := m.enter()
	defer leave()
	l, ok := m.links[ref]
	if err == nil && !ok {
		err = shortener.Errorf(shortener.NotFound, "There is no link %q.", ref.Code)
	}
	return l, err
}

func (m *memory) Events(_ context.Context, ref shortener.Ref) ([]shortener.Event, error) {
	leave, err := m.enter()
	defer leave()
	var out []shortener.Event
	for _, e := range m.events {
		if e.Ref == ref {
			out = append(out, e)
		}
	}
	if err == nil && len(out) == 0 {
		err = shortener.Errorf(shortener.NotFound, "There is no link %q.", ref.Code)
	}
	return out, err
}

func (m *memory) List(_ context.Context, q shortener.LinkQuery) ([]shortener.Link, error) {
	leave, err := m.enter()
	defer leave()
	at := func(l shortener.Link) time.Time {
		if q.Sort == shortener.SortUpdated {
			return l.UpdatedAt
		}
		return l.CreatedAt
	}
	order := func(a, b shortener.Link) int { return cmp.Or(at(b).Compare(at(a)), strings.Compare(b.ID, a.ID)) }
	links := slices.SortedFunc(maps.Values(m.links), order)
	links = slices.DeleteFunc(links, func(l shortener.Link) bool {
		status := l.StatusAt(q.Now)
		return q.Status == "" && status == shortener.StatusDeleted || q.Status != "" && q.Status != status ||
			q.Tag != "" && !slices.Contains(l.Tags, q.Tag) || q.Domain != nil && *q.Domain != l.Domain ||
			!strings.Contains(l.Title+l.Code+l.Target, q.Text) ||
			q.After != nil && (at(l).After(q.After.At) || at(l).Equal(q.After.At) && l.ID >= q.After.ID)
	})
	return links[:min(len(links), q.Limit)], err
}

func (m *memory) CreateKey(_ context.Context, k shortener.APIKey) error {
	leave, err := m.enter()
	defer leave()
	m.keys = append(m.keys, k)
	return err
}

func (m *memory) Keys(context.Context) ([]shortener.APIKey, error) {
	leave, err := m.enter()
	defer leave()
	return slices.Clone(m.keys), err
}

func (m *memory) KeyByHash(_ context.Context, hash [32]byte) (shortener.APIKey, error) {
	leave, err := m.enter()
	defer leave()
	m.asked++
	if err != nil {
		return shortener.APIKey{}, err
	}
	for _, k := range m.keys {
		if k.Hash == hash {
			return k, nil
		}
	}
	return shortener.APIKey{}, shortener.Errorf(shortener.NotFound, "There is no such key.")
}

func (m *memory) RevokeKey(_ context.Context, id string, at time.Time) error {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return err
	}
	for i := range m.keys {
		if m.keys[i].ID == id {
			m.keys[i].RevokedAt = at
			return nil
		}
	}
	return shortener.Errorf(shortener.NotFound, "There is no key %q.", id)
}

// clicks is a click store that works, and can be down. It knows the filters that the tests use.
type clicks struct {
	mu   sync.Mutex
	down error
	all  []shortener.StoredClick
	last shortener.ClickQuery
	fail int // Export fails after so many, if not 0
}

var errClicksDown = errors.New("connection refused to 10.0.0.7:9000")

func (c *clicks) setDown(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = err
}

func (c *clicks) add(all ...shortener.StoredClick) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range all {
		one.Producer, one.Seq = "edge1", uint64(len(c.all)+1)
		c.all = append(c.all, one)
	}
}

func (c *clicks) asked() shortener.ClickQuery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *clicks) selected(q shortener.ClickQuery) ([]shortener.StoredClick, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = q
	var out []shortener.StoredClick
	for _, one := range c.all {
		if q.Matches(&one) {
			out = append(out, one)
		}
	}
	return out, c.down
}

func (c *clicks) Recent(_ context.Context, q shortener.ClickQuery, limit int) ([]shortener.StoredClick, error) {
	all, err := c.selected(q)
	return all[max(0, len(all)-limit):], err
}

func count(all []shortener.StoredClick) (t shortener.Totals) {
	visitors := map[uint64]bool{}
	for _, c := range all {
		t.Clicks++
		if c.Bot != "" {
			t.Bots++
			continue
		}
		t.Humans++
		visitors[c.Visitor] = true
	}
	t.Visitors = int64(len(visitors))
	return t
}

func (c *clicks) Summary(_ context.Context, q shortener.ClickQuery) (shortener.Totals, error) {
	all, err := c.selected(q)
	return count(all), err
}

func (c *clicks) Series(_ context.Context, q shortener.ClickQuery, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, error) {
	starts, err := shortener.BucketStarts(q.From, q.To, interval, loc)
	if err != nil {
		return nil, err
	}
	var out []shortener.Bucket
	for i := range len(starts) - 1 {
		q.From, q.To = starts[i], starts[i+1]
		all, err := c.selected(q)
		if err != nil {
			return nil, err
		}
		out = append(out, shortener.Bucket{Start: starts[i], Totals: count(all)})
	}
	return out, nil
}

func (c *clicks) Heatmap(_ context.Context, q shortener.ClickQuery, loc *time.Location) (week shortener.HoursOfWeek, err error) {
	all, err := c.selected(q)
	by := map[int][]shortener.StoredClick{}
	for _, one := range all {
		at := one.At.In(loc)
		hour := (int(at.Weekday())+6)%7*24 + at.Hour()
		by[hour] = append(by[hour], one)
		week[hour] = count(by[hour])
	}
	return week, err
}

func (c *clicks) Groups(_ context.Context, q shortener.ClickQuery, by shortener.Grouping, limit, offset int) ([]shortener.Group, int, error) {
	all, err := c.selected(q)
	found := map[string]*shortener.Group{}
	members := map[string][]shortener.StoredClick{}
	for _, one := range all {
		g := shortener.Group{}
		if by.Interval != "" {
			starts, _ := shortener.BucketStarts(one.At, one.At.Add(1), by.Interval, by.Zone)
			g.Start = starts[0]
		}
		for _, d := range by.Dimensions {
			g.Values = append(g.Values, d.Of(&one))
		}
		key := fmt.Sprint(g.Start.UnixMilli(), g.Values)
		members[key] = append(members[key], one)
		g.Totals = count(members[key])
		found[key] = &g
	}
	groups := make([]shortener.Group, 0, len(found))
	for _, g := range found {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b shortener.Group) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(b.Clicks, a.Clicks), slices.Compare(a.Values, b.Values))
	})
	total := len(groups)
	groups = groups[min(offset, total):]
	if limit > 0 {
		groups = groups[:min(limit, len(groups))]
	}
	return groups, total, err
}

func (c *clicks) Breakdown(_ context.Context, q shortener.ClickQuery, d shortener.Dimension, limit, offset int) ([]shortener.Share, int, error) {
	all, err := c.selected(q)
	by := map[string][]shortener.StoredClick{}
	for _, one := range all {
		v := d.Of(&one)
		by[v] = append(by[v], one)
	}
	var shares []shortener.Share
	for v, some := range by {
		shares = append(shares, shortener.Share{Value: v, Totals: count(some)})
	}
	slices.SortFunc(shares, func(a, b shortener.Share) int {
		return cmp.Or(cmp.Compare(b.Clicks, a.Clicks), strings.Compare(a.Value, b.Value))
	})
	return shares[min(offset, len(shares)):min(offset+limit, len(shares))], len(shares), err
}

func (c *clicks) LinkTotals(_ context.Context, refs []shortener.Ref) (map[shortener.Ref]shortener.Totals, error) {
	out := map[shortener.Ref]shortener.Totals{}
	for _, ref := range refs {
		all, err := c.selected(shortener.ClickQuery{Refs: []shortener.Ref{ref}})
		if err != nil {
			return nil, err
		}
		if len(all) > 0 {
			out[ref] = count(all)
		}
	}
	return out, nil
}

func (c *clicks) Export(_ context.Context, q shortener.ClickQuery, fn func(shortener.StoredClick) error) error {
	all, err := c.selected(q)
	if err != nil {
		return err
	}
	for i, one := range all {
		if c.fail > 0 && i == c.fail {
			return errClicksDown
		}
		if err := fn(one); err != nil {
			return err
		}
	}
	return nil
}

func (c *clicks) Bounds(context.Context) (first, last time.Time, err error) {
	all, err := c.selected(shortener.ClickQuery{})
	for _, one := range all {
		if first.IsZero() || one.At.Before(first) {
			first = one.At
		}
		if one.At.After(last) {
			last = one.At
		}
	}
	return first, last, err
}
