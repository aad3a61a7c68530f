package clickhouse

import (
	"context"
	"fmt"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// Series returns the totals of the clicks of q in buckets of the wall clock of loc, empty ones too,
// from the bucket q.From lies in to the one before q.To. If either is zero the first or the last click
// of q takes its place. See shortener.BucketStarts for what a bucket is.
func (s *Store) Series(ctx context.Context, q shortener.ClickQuery, interval shortener.Interval, loc *time.Location) (series []shortener.Bucket, err error) {
	w, err := selection(q)
	if err != nil {
		return nil, err
	}
	err = s.settled(ctx, w, func(w clicks.Where) error {
		first, last, err := s.bounds(ctx, w)
		if err != nil {
			return err
		}
		var edges clicks.Edges
		if series, edges, err = clicks.NewSeries(q, first, last, interval, loc); err != nil || first.IsZero() {
			return err
		}
		w.Between(first, last.Add(time.Millisecond)) // others may come meanwhile
		return s.fillSeries(ctx, w, series, edges)
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks by %s: %w", interval, err)
	}
	return series, nil
}

func (s *Store) fillSeries(ctx context.Context, w clicks.Where, series []shortener.Bucket, edges clicks.Edges) error {
	bucket, err := bucketOf(edges)
	if err != nil {
		return err
	}
	misplaced := false
	err = s.ask(ctx, w, fill(fill(query("series"), "bucket", bucket), "totals", totals), func(r *rows) {
		for r.more() {
			i, t := r.int64(), r.totals()
			if i < 0 || i >= int64(len(series)) {
				misplaced = true
				return
			}
			series[i].Totals = t
		}
	})
	if misplaced {
		return errRow
	}
	return err
}

// maxSteps bounds the lookup of a bucket, for clocks that were once changed by seconds.
const maxSteps = 1 << 20

// bucketOf returns the expression of the number of the bucket that a click lies in.
//
// Time is cut into steps as wide as the narrowest bucket. If all buckets are, a click's step is its
// bucket; else a step meets one edge at most, and two lookups tell the bucket that the step begins in
// and where the next one begins.
func bucketOf(edges clicks.Edges) (string, error) {
	origin, width, even := edges.At[0].UnixMilli(), int64(1<<62), true
	for i, t := range edges.At[1:] {
		w := t.Sub(edges.At[i]).Milliseconds()
		even = even && (i == 0 || w == width)
		width = min(width, w)
	}
	step := bind("intDiv(at_ms - ?, ?)", origin, width)
	if even {
		return bind("toInt64("+step+" + ?)", edges.First), nil
	}
	end := edges.At[len(edges.At)-1].UnixMilli()
	if (end-origin)/width > maxSteps {
		return "", shortener.InvalidField("interval", "too-many-buckets", "The clock of the zone changes in ways that this range cannot be divided by.")
	}
	var steps, begins, next []int64
	bucket := 0
	for n := int64(0); origin+n*width < end; n++ {
		for edges.At[bucket+1].UnixMilli() <= origin+n*width {
			bucket++
		}
		steps = append(steps, n)
		begins = append(begins, int64(edges.First+bucket))
		next = append(next, edges.At[bucket+1].UnixMilli()-origin)
	}
	lookup := "transform(" + step + ", ?, ?, 0)"
	return bind("toInt64("+lookup+" + (at_ms - ? >= "+lookup+"))", steps, begins, origin, steps, next), nil
}
