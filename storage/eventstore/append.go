package eventstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"snowlink/shortener"
)

// Append implements shortener.Log. A commit whose events are all stored for that link already is
// answered like one under a used idempotency key: with the link as it was made then, and replayed.
// The link is the fold of its events; a commit whose After is not that is a fault of the caller's and
// writes nothing.
func (s *Store) Append(ctx context.Context, c shortener.Commit) (link shortener.Link, replayed bool, err error) {
	if err := check(c); err != nil {
		return shortener.Link{}, false, err
	}
	var first int64
	err = s.do(ctx, "append to "+c.Ref.String(), func(w *writer) error {
		link, replayed, err = w.append(c)
		first = w.head - int64(len(c.Events)) + 1
		return err
	})
	if err != nil {
		return shortener.Link{}, false, err
	}
	if !replayed {
		for i := range c.Events {
			c.Events[i].Position = first + int64(i)
		}
	}
	return link, replayed, nil
}

// check refuses commits that no state of the store could accept.
func check(c shortener.Commit) error {
	if len(c.Events) == 0 {
		return fmt.Errorf("append to %s: no events", c.Ref)
	}
	for _, e := range c.Events {
		if e.Ref != c.Ref || e.ID == "" {
			return fmt.Errorf("append to %s: event %q of link %s", c.Ref, e.ID, e.Ref)
		}
	}
	return nil
}

func (w *writer) append(c shortener.Commit) (link shortener.Link, replayed bool, err error) {
	if c.Once != nil {
		if link, replayed, err = w.replayOnce(*c.Once); replayed || err != nil {
			return link, replayed, err
		}
	}
	before, err := w.link(c.Ref)
	if err != nil {
		return link, false, err
	}
	if before.Version != c.Expected {
		return w.collided(c, before)
	}
	after, err := fold(before, c.Events)
	if err != nil {
		return link, false, err
	}
	if wrong := differences(after, c.After); len(wrong) > 0 {
		return link, false, fmt.Errorf("append to %s: the events do not lead to the link given: %v", c.Ref, wrong)
	}
	for _, e := range c.Events {
		if err := w.insertEvent(e); notUnique(err) {
			return w.collided(c, before)
		} else if err != nil {
			return link, false, fmt.Errorf("insert event: %w", err)
		}
	}
	if err := w.putLink(before, after); err != nil {
		return link, false, err
	}
	return after, false, w.putOnce(c.Once, after)
}

// collided answers a commit that does not fit what is stored: with what it made if it was stored
// before, else with the reason.
func (w *writer) collided(c shortener.Commit, found shortener.Link) (shortener.Link, bool, error) {
	version, err := w.storedVersion(c)
	switch {
	case err != nil:
		return shortener.Link{}, false, err
	case version > 0:
		link, err := w.linkAt(c.Ref, version)
		return link, true, err
	case found.Version == c.Expected:
		return shortener.Link{}, false, fmt.Errorf("append to %s: an event id belongs to another event", c.Ref)
	case c.Expected == 0:
		return shortener.Link{}, false, shortener.Errorf(shortener.Taken, "the code %q belongs to another link: choose another", c.Ref.Code)
	}
	return shortener.Link{}, false, shortener.Errorf(shortener.Conflict,
		"the link has version %d, not %d: look at it again and repeat the change", found.Version, c.Expected)
}

// storedVersion returns the version that the events of c led to if all of them are stored for its
// link, else 0.
func (w *writer) storedVersion(c shortener.Commit) (version int64, err error) {
	for _, e := range c.Events {
		var ref shortener.Ref
		err := w.row("event-by-id", e.ID).Scan(&ref.Domain, &ref.Code, &version)
		if errors.Is(err, sql.ErrNoRows) || err == nil && ref != c.Ref {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("look for event %s: %w", e.ID, err)
		}
	}
	return version, nil
}

func (w *writer) insertEvent(e shortener.Event) error {
	err := w.exec("insert-event", w.head+1, e.ID, e.Ref.Domain, e.Ref.Code, e.Version, string(e.Type), e.At.UnixMilli(), e.Actor, string(e.Data))
	if err == nil {
		w.head++
	}
	return err
}

// link returns the link as the transaction sees it, the zero Link if there is none.
func (w *writer) link(ref shortener.Ref) (shortener.Link, error) {
	l, err := scanLink(w.row("select-link", ref.Domain, ref.Code))
	if errors.Is(err, sql.ErrNoRows) {
		return shortener.Link{}, nil
	}
	return l, err
}

// linkAt returns the link as it was at a version.
func (w *writer) linkAt(ref shortener.Ref, version int64) (shortener.Link, error) {
	rows, err := w.stmts.get("events-of-link").Query(ref.Domain, ref.Code, version)
	if err != nil {
		return shortener.Link{}, fmt.Errorf("select events: %w", err)
	}
	events, err := scanEvents(rows)
	if err != nil {
		return shortener.Link{}, err
	}
	return fold(shortener.Link{}, events)
}

// putLink writes the view of a link.
func (w *writer) putLink(before, after shortener.Link) error {
	id, err := strconv.ParseInt(after.ID, 10, 64)
	if err != nil {
		return fmt.Errorf("link %s has the id %q, which is no number", after.Ref, after.ID)
	}
	name := "update-link"
	if before.Version == 0 {
		name = "insert-link"
	}
	if err := w.exec(name, append(linkColumns(after), id)...); err != nil {
		return fmt.Errorf("write link %s with id %d: %w", after.Ref, id, err)
	}
	return w.putTags(id, before.Tags, after.Tags)
}

func (w *writer) putTags(id int64, before, after []string) error {
	for _, tag := range missingIn(after, before) {
		if err := w.exec("delete-tag", tag, id); err != nil {
			return fmt.Errorf("delete tag: %w", err)
		}
	}
	for _, tag := range missingIn(before, after) {
		if err := w.exec("insert-tag", tag, id); err != nil {
			return fmt.Errorf("insert tag: %w", err)
		}
	}
	return nil
}

// missingIn returns those of tags that have does not have.
func missingIn(have, tags []string) []string {
	var missing []string
	for _, tag := range tags {
		if !slices.Contains(have, tag) {
			missing = append(missing, tag)
		}
	}
	return missing
}

// fold applies events to a link. Its times are those that the store keeps: UTC, in milliseconds.
func fold(l shortener.Link, events []shortener.Event) (shortener.Link, error) {
	for _, e := range events {
		var err error
		e.At = fromMillis(e.At.UnixMilli())
		if l, err = l.Apply(e); err != nil {
			return l, err
		}
	}
	l.StartsAt, l.ExpiresAt = fromMillis(millis(l.StartsAt)), fromMillis(millis(l.ExpiresAt))
	return l, nil
}

// linkColumns returns the columns of links but for the id, in the order of insert-link.
func linkColumns(l shortener.Link) []any {
	return []any{
		l.Domain, l.Code, l.Target, l.Title, l.Note, tagsJSON(l.Tags), int64(l.State), l.RedirectStatus,
		millis(l.StartsAt), millis(l.ExpiresAt), l.FallbackURL, l.ForwardQuery, l.Version,
		millis(l.CreatedAt), millis(l.UpdatedAt), l.CreatedBy, words(l),
	}
}

// words returns what a search looks through. A search's words hold no newline, and cannot match
// across two fields.
func words(l shortener.Link) string {
	return strings.ToLower(strings.Join(append([]string{l.Code, l.Target, l.Title, l.Note}, l.Tags...), "\n"))
}

func tagsJSON(tags []string) string {
	if len(tags) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(tags) // strings always marshal
	return string(text)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
