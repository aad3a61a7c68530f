package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// Series returns the totals of the clicks of q in buckets of the wall clock of loc, empty ones too,
// from the bucket q.From lies in to the one before q.To. If either is zero the first or the last click
// of q takes its place. See shortener.BucketStarts for what a bucket is.
func (s *Store) Series(ctx context.Context, q shortener.ClickQuery, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, error) {
	w, err := selection(q)
	if err != nil {
		return nil, err
	}
	var series []shortener.Bucket
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		first, last, err := bounds(ctx, tx, w)
		if err != nil {
			return err
		}
		var granules clicks.Granules
		if series, granules, err = clicks.NewSeries(q, first, last, interval, loc); err != nil || first.IsZero() {
			return err
		}
		return fillSeries(ctx, tx, w, series, granules)
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks by %s: %w", interval, err)
	}
	return series, nil
}

func fillSeries(ctx context.Context, tx *sql.Tx, w clicks.Where, series []shortener.Bucket, g clicks.Granules) error {
	text := fill(fill(query("series"), "totals", totals), "selection", w.String())
	rows, err := tx.QueryContext(ctx, text, append([]any{g.Buckets, g.Origin, g.Width}, w.Args()...)...)
	return each(rows, err, func() error {
		var i int
		var t shortener.Totals
		if err := rows.Scan(append([]any{&i}, totalsInto(&t)...)...); err != nil {
			return err
		}
		series[i].Totals = t
		return nil
	})
}
