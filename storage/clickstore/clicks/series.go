package clicks

import (
	"time"

	"snowlink/shortener"
)

// Edges are the boundaries of the buckets of a series that clicks can lie in: bucket First+i is from
// At[i] to At[i+1]. Without a click there are none.
type Edges struct {
	First int
	At    []time.Time
}

// NewSeries returns the empty buckets of a series over q, whose first and last click are at first and
// last (zero: there is none). If q has no bound where there is no click either, there are no buckets.
func NewSeries(q shortener.ClickQuery, first, last time.Time, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, Edges, error) {
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
	starts, err := shortener.BucketStarts(from, to, interval, loc)
	if err != nil || len(starts) == 0 {
		return nil, Edges{}, err
	}
	series := make([]shortener.Bucket, len(starts)-1)
	for i := range series {
		series[i].Start = starts[i]
	}
	if first.IsZero() {
		return series, Edges{}, nil
	}
	return series, edgesOf(starts, first, last), nil
}

func edgesOf(starts []time.Time, first, last time.Time) Edges {
	low, high := 0, len(starts)-1
	for low+1 < high && !starts[low+1].After(first) {
		low++
	}
	for high-1 > low && starts[high-1].After(last) {
		high--
	}
	return Edges{First: low, At: starts[low : high+1]}
}
