package eventstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"snowlink/shortener"
)

// Events implements shortener.Log.
func (s *Store) Events(ctx context.Context, ref shortener.Ref) ([]shortener.Event, error) {
	rows, err := s.reads.get("events-of-link").QueryContext(ctx, ref.Domain, ref.Code, int64(math.MaxInt64))
	if err != nil {
		return nil, classify("select events", err)
	}
	events, err := scanEvents(rows)
	if err == nil && len(events) == 0 {
		return nil, shortener.Errorf(shortener.NotFound, "there is no link %q", ref.Code)
	}
	return events, classify("select events", err)
}

// Read returns up to limit events after a position, in the order of positions. None means that the
// caller has read the log to its end.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]shortener.Event, error) {
	rows, err := s.reads.get("events-after").QueryContext(ctx, after, limit)
	if err != nil {
		return nil, classify("read the log", err)
	}
	events, err := scanEvents(rows)
	return events, classify("read the log", err)
}

// Head returns the position of the last event, 0 if there is none.
func (s *Store) Head(context.Context) (int64, error) { return s.head.Load(), nil }

// Wait returns once the log has an event after the position. Its error is ctx's, or Unavailable once
// the store is closed.
func (s *Store) Wait(ctx context.Context, after int64) error {
	for {
		s.mu.Lock()
		grew := s.grew
		s.mu.Unlock()
		if s.head.Load() > after {
			return nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return errClosed
		}
	}
}

// advance makes a committed head known and wakes those who wait for it.
func (s *Store) advance(head int64) {
	if head == s.head.Load() {
		return
	}
	s.head.Store(head)
	s.mu.Lock()
	close(s.grew)
	s.grew = make(chan struct{})
	s.mu.Unlock()
}

// Checkpoint returns how far the named projection has followed the log, 0 if it never did.
func (s *Store) Checkpoint(ctx context.Context, name string) (position int64, err error) {
	err = s.reads.get("select-checkpoint").QueryRowContext(ctx, name).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return position, classify("select checkpoint", err)
}

// SetCheckpoint keeps how far the named projection has followed the log. Going back is allowed: it
// makes the projection begin again from there.
func (s *Store) SetCheckpoint(ctx context.Context, name string, position int64) error {
	return s.do(ctx, "keep checkpoint", func(w *writer) error { return w.exec("put-checkpoint", name, position) })
}

// scanEvents reads all rows and closes them.
func scanEvents(rows *sql.Rows) ([]shortener.Event, error) {
	defer rows.Close()
	var events []shortener.Event
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

func scanEvent(rows *sql.Rows) (shortener.Event, error) {
	var (
		e    shortener.Event
		at   int64
		data string
	)
	err := rows.Scan(&e.Position, &e.ID, &e.Ref.Domain, &e.Ref.Code, &e.Version, &e.Type, &at, &e.Actor, &data)
	if err != nil {
		return e, fmt.Errorf("scan event: %w", err)
	}
	e.At = fromMillis(at)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e, nil
}
