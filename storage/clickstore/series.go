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
		var edges clicks.Edges
		if series, edges, err = clicks.NewSeries(q, first, last, interval, loc); err != nil || first.IsZero() {
			return err
		}
		return fillSeries(ctx, tx, w, series, newGranules(edges))
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks by %s: %w", interval, err)
	}
	return series, nil
}

// granules divide the time between the first and the last click so finely that each bucket consists
// of whole ones.
type granules struct {
	origin, width int64   // milliseconds
	buckets       []int64 // the bucket each granule lies in
}

func newGranules(edges clicks.Edges) granules {
	g := granules{origin: edges.At[0].UnixMilli()}
	for _, t := range edges.At[1:] {
		g.width = gcd(t.UnixMilli()-g.origin, g.width)
	}
	end := edges.At[len(edges.At)-1].UnixMilli()
	g.buckets = make([]int64, 0, (end-g.origin)/g.width)
	for i, t := range edges.At[1:] {
		for range t.Sub(edges.At[i]).Milliseconds() / g.width {
			g.buckets = append(g.buckets, int64(edges.First+i))
		}
	}
	return g
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func fillSeries(ctx context.Context, tx *sql.Tx, w clicks.Where, series []shortener.Bucket, g granules) error {
	text := fill(fill(query("series"), "totals", totals), "selection", w.String())
	rows, err := tx.QueryContext(ctx, text, append([]any{g.buckets, g.origin, g.width}, w.Args()...)...)
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
