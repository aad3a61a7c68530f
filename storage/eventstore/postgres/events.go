package postgres

import (
	"context"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Events implements shortener.Log.
func (s *Store) Events(ctx context.Context, ref shortener.Ref) (events []shortener.Event, err error) {
	if !text(ref.Domain, ref.Code) {
		return nil, notFound(ref.Code)
	}
	err = s.read(ctx, "select events", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sql.Get("events-of-link"), ref.Domain, ref.Code, int64(math.MaxInt64))
		events, err = collectEvents(rows, err)
		return err
	})
	if err == nil && len(events) == 0 {
		return nil, notFound(ref.Code)
	}
	return events, err
}

// Read implements eventstore.Feed.
func (s *Store) Read(ctx context.Context, after int64, limit int) (events []shortener.Event, err error) {
	err = s.read(ctx, "read the log", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sql.Get("events-after"), after, limit)
		events, err = collectEvents(rows, err)
		return err
	})
	return events, err
}

// Head implements eventstore.Feed.
func (s *Store) Head(ctx context.Context) (head int64, err error) {
	err = s.row(ctx, "read the head", []any{&head}, "head")
	return head, err
}

// Checkpoint implements eventstore.Feed.
func (s *Store) Checkpoint(ctx context.Context, name string) (position int64, err error) {
	err = s.row(ctx, "select checkpoint", []any{&position}, "select-checkpoint", name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return position, err
}

// SetCheckpoint implements eventstore.Feed.
func (s *Store) SetCheckpoint(ctx context.Context, name string, position int64) error {
	_, err := s.exec(ctx, "keep checkpoint", "put-checkpoint", name, position)
	return err
}

func collectEvents(rows pgx.Rows, err error) ([]shortener.Event, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (shortener.Event, error) { return eventstore.ScanEvent(row) })
}
