package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Append implements shortener.Log. A commit whose events are all stored for that link already is
// answered like one under a used idempotency key: with the link as it was made then, and replayed.
// The link is the fold of its events; a commit whose After is not that is a fault of the caller's and
// writes nothing.
func (s *Store) Append(ctx context.Context, c shortener.Commit) (link shortener.Link, replayed bool, err error) {
	if err := eventstore.Check(c); err != nil {
		return shortener.Link{}, false, err
	}
	var d eventstore.Decision
	var first int64
	err = s.do(ctx, "append to "+c.Ref.String(), func(w *writer) error {
		d, err = w.append(c)
		first = w.head - int64(len(c.Events)) + 1
		return err
	})
	if err != nil {
		return shortener.Link{}, false, err
	}
	if !d.Replayed {
		for i := range c.Events {
			c.Events[i].Position = first + int64(i)
		}
	}
	return d.After, d.Replayed, nil
}

func (w *writer) append(c shortener.Commit) (eventstore.Decision, error) {
	d, err := eventstore.Decide(c, known{w})
	if d.Replayed || err != nil {
		return d, err
	}
	for _, e := range c.Events {
		if err := w.insertEvent(e); err != nil {
			return d, fmt.Errorf("insert event: %w", err)
		}
	}
	if err := w.putLink(d.Before, d.After); err != nil {
		return d, err
	}
	return d, w.putOnce(c.Once, d.After)
}

// known is what the transaction of the writer knows.
type known struct{ *writer }

// Link implements eventstore.Known.
func (k known) Link(ref shortener.Ref) (shortener.Link, error) {
	l, err := scanLink(k.row("select-link", ref.Domain, ref.Code))
	if errors.Is(err, sql.ErrNoRows) {
		return shortener.Link{}, nil
	}
	return l, err
}

// LinkAt implements eventstore.Known.
func (k known) LinkAt(ref shortener.Ref, version int64) (shortener.Link, error) {
	rows, err := k.stmts.get("events-of-link").Query(ref.Domain, ref.Code, version)
	if err != nil {
		return shortener.Link{}, fmt.Errorf("select events: %w", err)
	}
	events, err := scanEvents(rows)
	if err != nil {
		return shortener.Link{}, err
	}
	return eventstore.Fold(shortener.Link{}, events...)
}

// Event implements eventstore.Known.
func (k known) Event(id string) (p eventstore.Place, err error) {
	err = k.row("event-by-id", id).Scan(&p.Ref.Domain, &p.Ref.Code, &p.Version, &p.Position)
	if errors.Is(err, sql.ErrNoRows) {
		return eventstore.Place{}, nil
	}
	return p, err
}

// Once implements eventstore.Known.
func (k known) Once(owner, key string) (m eventstore.Made, err error) {
	err = k.row("select-once", owner, key, k.store.opts.Now().UnixMilli()).Scan(&m.Fingerprint, &m.Ref.Domain, &m.Ref.Code, &m.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return eventstore.Made{}, nil
	}
	return m, err
}

func (w *writer) insertEvent(e shortener.Event) error {
	err := w.exec("insert-event", w.head+1, e.ID, e.Ref.Domain, e.Ref.Code, e.Version, string(e.Type), e.At.UnixMilli(), e.Actor, string(e.Data))
	if err == nil {
		w.head++
	}
	return err
}

// putOnce keeps what was made under the key.
func (w *writer) putOnce(once *shortener.Once, made shortener.Link) error {
	if once == nil {
		return nil
	}
	err := w.exec("put-once", once.Owner, once.Key, once.Fingerprint[:], made.Domain, made.Code, made.Version, once.Expires.UnixMilli())
	if err != nil {
		return fmt.Errorf("keep an idempotency key: %w", err)
	}
	return nil
}

// putLink writes the view of a link.
func (w *writer) putLink(before, after shortener.Link) error {
	id, err := eventstore.LinkID(after)
	if err != nil {
		return err
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

// linkColumns returns the columns of links but for the id, in the order of insert-link.
func linkColumns(l shortener.Link) []any {
	return []any{
		l.Domain, l.Code, l.Target, l.Title, l.Note, tagsJSON(l.Tags), int64(l.State), l.RedirectStatus,
		eventstore.Millis(l.StartsAt), eventstore.Millis(l.ExpiresAt), l.FallbackURL, l.ForwardQuery, l.Version,
		eventstore.Millis(l.CreatedAt), eventstore.Millis(l.UpdatedAt), l.CreatedBy, eventstore.Words(l),
	}
}

func tagsJSON(tags []string) string {
	if len(tags) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(tags) // strings always marshal
	return string(text)
}
