// Package shortenertest has working stand-ins for what package shortener needs: a log of events and a
// view of links, both in memory. They keep the promises of shortener.Log and shortener.View for as
// long as the process lives, can be told to fail, and are safe for concurrent use.
package shortenertest

import (
	"context"
	"slices"
	"sync"

	"snowlink/shortener"
)

// Log is a shortener.Log in memory. The zero value is an empty one. Entries of Idempotency-Keys do
// not expire by themselves.
type Log struct {
	// Before, if set, is called without a lock before each commit: what it does happens between a
	// command's reading and its writing. Its error is returned and nothing is written.
	Before func(context.Context, shortener.Commit) error

	mu     sync.Mutex
	links  map[shortener.Ref]shortener.Link
	events []shortener.Event
	once   map[onceKey]done
}

type onceKey struct{ owner, key string }

type done struct {
	fingerprint [32]byte
	ref         shortener.Ref
}

var _ shortener.Log = (*Log)(nil)

// Append is that of shortener.Log.
func (l *Log) Append(ctx context.Context, c shortener.Commit) (shortener.Link, bool, error) {
	if l.Before != nil {
		if err := l.Before(ctx, c); err != nil {
			return shortener.Link{}, false, err
		}
	}
	if err := ctx.Err(); err != nil {
		return shortener.Link{}, false, shortener.Errorf(shortener.Unavailable, "The caller gave up.").Wrap(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if link, replayed, err := l.replay(c.Once); replayed || err != nil {
		return link, replayed, err
	}
	after, err := l.follow(c)
	if err != nil {
		return shortener.Link{}, false, err
	}
	for i := range c.Events {
		c.Events[i].Position = int64(len(l.events)) + 1
		e := c.Events[i]
		e.Data = slices.Clone(e.Data)
		l.events = append(l.events, e)
	}
	if l.links == nil {
		l.links, l.once = make(map[shortener.Ref]shortener.Link), make(map[onceKey]done)
	}
	l.links[c.Ref] = after
	if c.Once != nil {
		l.once[onceKey{c.Once.Owner, c.Once.Key}] = done{c.Once.Fingerprint, c.Ref}
	}
	return after, false, nil
}

// replay returns the link that an earlier commit made under the same key.
func (l *Log) replay(o *shortener.Once) (shortener.Link, bool, error) {
	if o == nil {
		return shortener.Link{}, false, nil
	}
	earlier, ok := l.once[onceKey{o.Owner, o.Key}]
	switch {
	case !ok:
		return shortener.Link{}, false, nil
	case earlier.fingerprint != o.Fingerprint:
		return shortener.Link{}, false, shortener.InvalidField("Idempotency-Key", "idempotency-key-reused",
			"The idempotency key was used for another request.")
	}
	return l.links[earlier.ref], true, nil
}

// follow returns the link as the commit's events leave it, or says why they do not follow.
func (l *Log) follow(c shortener.Commit) (shortener.Link, error) {
	link, exists := l.links[c.Ref]
	switch {
	case c.Expected == 0 && exists:
		return link, shortener.Errorf(shortener.Taken, "The code %q is taken.", c.Ref.Code)
	case c.Expected != link.Version:
		return link, shortener.Errorf(shortener.Conflict, "The link is at version %d, not %d.", link.Version, c.Expected)
	}
	var err error
	for _, e := range c.Events {
		if link, err = link.Apply(e); err != nil {
			return link, err
		}
	}
	return link, nil
}

// Link is that of shortener.Log.
func (l *Log) Link(_ context.Context, ref shortener.Ref) (shortener.Link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, ok := l.links[ref]
	if !ok {
		return shortener.Link{}, missing(ref)
	}
	return link, nil
}

// Events is that of shortener.Log.
func (l *Log) Events(_ context.Context, ref shortener.Ref) ([]shortener.Event, error) {
	var events []shortener.Event
	for _, e := range l.All() {
		if e.Ref == ref {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return nil, missing(ref)
	}
	return events, nil
}

// All returns the events of all links in the order in which they were committed.
func (l *Log) All() []shortener.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

func missing(ref shortener.Ref) error {
	return shortener.Errorf(shortener.NotFound, "There is no link %q.", ref.Code)
}
