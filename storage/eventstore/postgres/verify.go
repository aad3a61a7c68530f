package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"snowlink/storage/eventstore"
)

// Verify implements eventstore.Auditor. That the pages of the database are sound is the business of the
// server's own checks (data checksums, pg_amcheck).
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error) {
	var r eventstore.Report
	err := s.onItsOwn(ctx, func(conn *pgx.Conn) error {
		if err := begin(ctx, conn, "begin-snapshot"); err != nil {
			return err
		}
		v := verification{conn: conn, ctx: ctx, report: &r}
		if err := v.positions(); err != nil {
			return err
		}
		return r.Compare(eachEvent(ctx, conn), eachShown(ctx, conn), eventstore.Ticker(ctx, r.Events, progress))
	})
	return r, classify("verify", err)
}

// onItsOwn runs fn on a connection that is made for it and closed afterwards, with any transaction that
// fn left open.
func (s *Store) onItsOwn(ctx context.Context, fn func(*pgx.Conn) error) error {
	if s.ctx.Err() != nil {
		return eventstore.ErrClosed
	}
	l := line{config: s.pool.Config().ConnConfig, options: s.opts}
	conn, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer l.hangUp()
	return fn(conn)
}

type verification struct {
	conn   *pgx.Conn
	ctx    context.Context // of the one call of Verify
	report *eventstore.Report
}

// positions checks that the log is gapless and that the head is its end.
func (v *verification) positions() error {
	if err := v.conn.QueryRow(v.ctx, sql.Get("count-events")).Scan(&v.report.Events); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	for gap, err := range each(v.ctx, v.conn, "gaps", scanGap) {
		if err != nil {
			return fmt.Errorf("gaps: %w", err)
		}
		v.report.Add(gap)
	}
	var head, last int64
	err := v.conn.QueryRow(v.ctx, sql.Get("ends")).Scan(&head, &last)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && head != last {
		v.report.Add(eventstore.Fault{Reason: fmt.Sprintf("the head is at %d, and the log ends at %d", head, last)})
		return nil
	}
	return err
}

func scanGap(row eventstore.Row) (eventstore.Fault, error) {
	var first, last int64
	err := row.Scan(&first, &last)
	return eventstore.Gap(first, last), err
}
