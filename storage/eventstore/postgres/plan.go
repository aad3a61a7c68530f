package postgres

import (
	"fmt"
	"maps"
	"slices"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// plan is a transaction of appends in memory: what it has to know, read at its beginning, and what it
// will write at its end. It implements eventstore.Known; what was planned before counts.
type plan struct {
	head   int64
	links  map[shortener.Ref]shortener.Link
	ids    map[int64]bool // of links that are there
	events map[string]eventstore.Place
	once   map[onceKey]eventstore.Made
	// history reads the events of a link up to a version that were stored before.
	history func(ref shortener.Ref, version int64) ([]shortener.Event, error)

	appended []shortener.Event
	made     map[shortener.Ref]bool // links to be inserted
	edited   map[shortener.Ref]bool // links to be updated
	used     []eventstore.UsedKey
}

type onceKey struct{ owner, key string }

func newPlan() *plan {
	return &plan{
		links: make(map[shortener.Ref]shortener.Link), ids: make(map[int64]bool),
		events: make(map[string]eventstore.Place), once: make(map[onceKey]eventstore.Made),
		made: make(map[shortener.Ref]bool), edited: make(map[shortener.Ref]bool),
	}
}

// Link implements eventstore.Known.
func (p *plan) Link(ref shortener.Ref) (shortener.Link, error) { return p.links[ref], nil }

// Event implements eventstore.Known.
func (p *plan) Event(id string) (eventstore.Place, error) { return p.events[id], nil }

// Once implements eventstore.Known.
func (p *plan) Once(owner, key string) (eventstore.Made, error) {
	return p.once[onceKey{owner, key}], nil
}

// LinkAt implements eventstore.Known.
func (p *plan) LinkAt(ref shortener.Ref, version int64) (shortener.Link, error) {
	events, err := p.history(ref, version)
	if err != nil {
		return shortener.Link{}, fmt.Errorf("select events: %w", err)
	}
	for _, e := range p.appended {
		if e.Ref == ref && e.Version <= version {
			events = append(events, e)
		}
	}
	return eventstore.Fold(shortener.Link{}, events...)
}

// add plans a commit, and says where its events will be.
func (p *plan) add(c shortener.Commit, d eventstore.Decision) ([]eventstore.Place, error) {
	if err := p.put(d.Before, d.After); err != nil {
		return nil, err
	}
	places := make([]eventstore.Place, len(c.Events))
	for i, e := range c.Events {
		places[i] = p.append(e)
	}
	if c.Once != nil {
		made := eventstore.Made{Fingerprint: c.Once.Fingerprint[:], Ref: c.Ref, Version: d.After.Version}
		p.once[onceKey{c.Once.Owner, c.Once.Key}] = made
		p.used = append(p.used, eventstore.UsedKey{Owner: c.Once.Owner, Key: c.Once.Key, Made: made, Expires: c.Once.Expires})
	}
	return places, nil
}

// append plans an event at the next position.
func (p *plan) append(e shortener.Event) eventstore.Place {
	p.head++
	e.Position = p.head
	place := eventstore.Place{Ref: e.Ref, Version: e.Version, Position: e.Position}
	p.appended = append(p.appended, e)
	p.events[e.ID] = place
	return place
}

// put plans the view of a link.
func (p *plan) put(before, after shortener.Link) error {
	id, err := eventstore.LinkID(after)
	if err != nil {
		return err
	}
	switch {
	case before.Version > 0:
		p.edited[after.Ref] = !p.made[after.Ref]
	case p.ids[id]:
		return fmt.Errorf("write link %s with id %d: another link has that id", after.Ref, id)
	default:
		p.made[after.Ref], p.ids[id] = true, true
	}
	p.links[after.Ref] = after
	return nil
}

// empty reports whether there is nothing to write.
func (p *plan) empty() bool { return len(p.appended) == 0 }

// linksOf returns the links that are marked in a set, in an order that is the same to all writers.
func (p *plan) linksOf(set map[shortener.Ref]bool) []shortener.Link {
	var links []shortener.Link
	for ref := range maps.Keys(set) {
		if set[ref] {
			links = append(links, p.links[ref])
		}
	}
	slices.SortFunc(links, func(a, b shortener.Link) int { return compareIDs(a.ID, b.ID) })
	return links
}

// compareIDs sorts numbers in decimal.
func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}
