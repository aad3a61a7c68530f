package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// pageSize is the number of clicks that are in memory at the same time during an export.
const pageSize = 20_000

// Export calls fn with each click of q, in the order of time, producer and sequence. All of them are
// of the commit that was the last when it began, however long it takes. An error of fn ends it and is
// returned as it is.
func (s *Store) Export(ctx context.Context, q shortener.ClickQuery, fn func(shortener.StoredClick) error) error {
	w, err := selection(q)
	if err != nil {
		return err
	}
	return s.snapshot(ctx, func(tx *sql.Tx) error {
		hours, err := exportHours(ctx, tx, w)
		if err != nil {
			return fmt.Errorf("export clicks: %w", err)
		}
		for _, hour := range hours {
			// An hour at a time: row groups of others are passed over, and nothing larger is sorted.
			in := w.Clone()
			in.Between(hour, hour.Add(time.Hour))
			if err := exportAll(ctx, tx, in, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

func exportHours(ctx context.Context, tx *sql.Tx, w clicks.Where) (hours []time.Time, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT DISTINCT at_ms // 3600000 AS hour FROM clicks "+w.String()+" ORDER BY hour", w.Args()...)
	err = each(rows, err, func() error {
		var hour int64
		err := rows.Scan(&hour)
		hours = append(hours, time.UnixMilli(hour*time.Hour.Milliseconds()))
		return err
	})
	return hours, err
}

// exportAll pages through the clicks that w keeps.
func exportAll(ctx context.Context, tx *sql.Tx, w clicks.Where, fn func(shortener.StoredClick) error) error {
	var last *shortener.StoredClick
	for {
		in := w.Clone()
		if last != nil {
			at := last.At.UnixMilli()
			in.And("at_ms >= ?", at)
			in.And("(at_ms, name, seq) > (?::BIGINT, ?::VARCHAR, ?::UBIGINT)", at, last.Producer, last.Seq)
		}
		page, err := clickPage(ctx, tx, in.String()+" ORDER BY at_ms, name, seq LIMIT ?", in.Args(pageSize))
		if err != nil {
			return fmt.Errorf("export clicks: %w", err)
		}
		for _, c := range page {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		last = &page[len(page)-1]
	}
}

// Recent returns the last clicks of q, newest first.
func (s *Store) Recent(ctx context.Context, q shortener.ClickQuery, limit int) ([]shortener.StoredClick, error) {
	w, err := selection(q)
	if err != nil {
		return nil, err
	}
	var page []shortener.StoredClick
	err = s.snapshot(ctx, func(tx *sql.Tx) (err error) {
		page, err = clickPage(ctx, tx, w.String()+" ORDER BY at_ms DESC, name DESC, seq DESC LIMIT ?", w.Args(max(limit, 0)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read last clicks: %w", err)
	}
	slices.Reverse(page)
	return page, nil
}

// clickPage returns the clicks that selection keeps of clicks c and producers p, oldest first.
func clickPage(ctx context.Context, tx *sql.Tx, selection string, args []any) (page []shortener.StoredClick, err error) {
	rows, err := tx.QueryContext(ctx, fill(query("export"), "page", selection), args...)
	err = each(rows, err, func() error {
		c, err := scanClick(rows)
		page = append(page, c)
		return err
	})
	return page, err
}
