package clicks

import (
	"time"

	"snowlink/shortener"
)

// NewSeries returns the empty buckets of a series over q, whose first and last click are at first and
// last (zero: there is none), and the granules into which clicks are counted. Without a click there
// are no granules; without a click and a bound there are no buckets either.
func NewSeries(q shortener.ClickQuery, first, last time.Time, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, Granules, error) {
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
		return nil, Granules{}, err
	}
	series := make([]shortener.Bucket, len(starts)-1)
	for i := range series {
		series[i].Start = starts[i]
	}
	if first.IsZero() {
		return series, Granules{}, nil
	}
	return series, newGranules(starts, first, last), nil
}

// Granules divide the time between the first and the last click so finely that each bucket consists
// of whole ones: a click finds its bucket by a division and one lookup, whatever the zone.
type Granules struct {
	Origin, Width int64   // milliseconds
	Buckets       []int64 // the bucket each granule lies in
}

func newGranules(starts []time.Time, first, last time.Time) Granules {
	// Clicks lie in starts[low:high]; the zone's offsets of other centuries need not be divided.
	low, high := 0, len(starts)-1
	for low+1 < high && !starts[low+1].After(first) {
		low++
	}
	for high-1 > low && starts[high-1].After(last) {
		high--
	}
	g := Granules{Origin: starts[low].UnixMilli()}
	for _, t := range starts[low+1 : high+1] {
		g.Width = gcd(t.UnixMilli()-g.Origin, g.Width)
	}
	g.Buckets = make([]int64, 0, (starts[high].UnixMilli()-g.Origin)/g.Width)
	for i := low; i < high; i++ {
		for range (starts[i+1].UnixMilli() - starts[i].UnixMilli()) / g.Width {
			g.Buckets = append(g.Buckets, int64(i))
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
