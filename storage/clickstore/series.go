package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"snowlink/shortener"
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
		starts, err := seriesStarts(q, first, last, interval, loc)
		if err != nil || len(starts) == 0 {
			return err
		}
		series = make([]shortener.Bucket, len(starts)-1)
		for i := range series {
			series[i].Start = starts[i]
		}
		if first.IsZero() {
			return nil
		}
		return fillSeries(ctx, tx, w, series, newGranules(starts, first, last))
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks by %s: %w", interval, err)
	}
	return series, nil
}

func seriesStarts(q shortener.ClickQuery, first, last time.Time, interval shortener.Interval, loc *time.Location) ([]time.Time, error) {
	from, to := q.From, q.To
	if (from.IsZero() || to.IsZero()) && first.IsZero() {
		// No click: no bound either. The interval is still looked at.
		from, to = time.Time{}, time.Time{}
	}
	if from.IsZero() {
		from = first
	}
	if to.IsZero() && !last.IsZero() {
		to = last.Add(time.Millisecond)
	}
	return shortener.BucketStarts(from, to, interval, loc)
}

// granules divide the time between the first and the last click so finely that each bucket consists
// of whole ones.
type granules struct {
	origin, width int64   // milliseconds
	buckets       []int64 // the bucket each granule lies in
}

func newGranules(starts []time.Time, first, last time.Time) granules {
	// Clicks lie in starts[low:high]; the zone's offsets of other centuries need not be divided.
	low, high := 0, len(starts)-1
	for low+1 < high && !starts[low+1].After(first) {
		low++
	}
	for high-1 > low && starts[high-1].After(last) {
		high--
	}
	g := granules{origin: starts[low].UnixMilli()}
	for _, t := range starts[low+1 : high+1] {
		g.width = gcd(t.UnixMilli()-g.origin, g.width)
	}
	g.buckets = make([]int64, 0, (starts[high].UnixMilli()-g.origin)/g.width)
	for i := low; i < high; i++ {
		for range (starts[i+1].UnixMilli() - starts[i].UnixMilli()) / g.width {
			g.buckets = append(g.buckets, int64(i))
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

func fillSeries(ctx context.Context, tx *sql.Tx, w where, series []shortener.Bucket, g granules) error {
	text := fill(fill(query("series"), "totals", totals), "selection", w.String())
	rows, err := tx.QueryContext(ctx, text, append([]any{g.buckets, g.origin, g.width}, w.args...)...)
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
