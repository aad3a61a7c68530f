package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
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
		case <-s.queue.Closing():
			return eventstore.ErrClosed
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
	var events []shortener.Event
	for e, err := range eachEvent(rows) {
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// eachEvent yields the rows as events and closes them.
func eachEvent(rows *sql.Rows) iter.Seq2[shortener.Event, error] {
	return func(yield func(shortener.Event, error) bool) {
		defer rows.Close()
		for rows.Next() {
			if e, err := eventstore.ScanEvent(rows); !yield(e, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(shortener.Event{}, err)
		}
	}
}
