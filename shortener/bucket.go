package shortener

import "time"

// MaxBuckets bounds the length of a time series.
const MaxBuckets = 100_000

// BucketStarts returns the first instants of the buckets of a series over [from, to) in the zone of
// loc, and behind them the instant at which the last one ends. The first bucket is the one from lies
// in, so it may begin before from.
//
// Buckets are those of the wall clock: a day on which the clock changes has 23 or 25 hours, an hour
// that the clock shows twice is two buckets, and a change that is not by whole hours begins a bucket
// of its own. More than MaxBuckets are Invalid.
func BucketStarts(from, to time.Time, interval Interval, loc *time.Location) ([]time.Time, error) {
	step := buckets[interval]
	if step.floor == nil {
		return nil, InvalidField("interval", "invalid-interval", "Unknown interval %q: use minute, hour, day, week or month.", interval)
	}
	if !from.Before(to) {
		return nil, nil
	}
	starts := []time.Time{step.floor(from.In(loc))}
	for {
		next := step.next(starts[len(starts)-1])
		starts = append(starts, next)
		switch {
		case !next.Before(to):
			return starts, nil
		case len(starts) > MaxBuckets:
			return nil, InvalidField("interval", "too-many-buckets",
				"The range has more than %d buckets: choose a wider interval or a shorter range.", MaxBuckets)
		}
	}
}

// bucketing finds the start of the bucket an instant lies in, and the start of the one that follows.
type bucketing struct{ floor, next func(time.Time) time.Time }

var buckets = map[Interval]bucketing{
	Minute: clockBuckets(time.Minute),
	Hour:   clockBuckets(time.Hour),
	Day:    dateBuckets(func(y int, m time.Month, d int) (int, time.Month, int) { return y, m, d }, 0, 1),
	Week:   dateBuckets(monday, 0, 7),
	Month:  dateBuckets(func(y int, m time.Month, _ int) (int, time.Month, int) { return y, m, 1 }, 1, 0),
}

// clockBuckets are those that begin whenever the wall clock shows a multiple of width, and whenever
// it is changed.
func clockBuckets(width time.Duration) bucketing {
	floor := func(t time.Time) time.Time {
		start := t.Add(-sinceMidnight(t) % width)
		if changed, _ := t.ZoneBounds(); !changed.IsZero() && changed.After(start) {
			return changed
		}
		return start
	}
	next := func(start time.Time) time.Time {
		end := start.Add(width - sinceMidnight(start)%width)
		if _, changes := start.ZoneBounds(); !changes.IsZero() && changes.Before(end) {
			return changes
		}
		return end
	}
	return bucketing{floor, next}
}

// dateBuckets are those that begin with a date: floor gives the first date of the bucket a date lies
// in, which is then months and days wide.
func dateBuckets(floor func(int, time.Month, int) (int, time.Month, int), months, days int) bucketing {
	return bucketing{
		floor: func(t time.Time) time.Time {
			y, m, d := floor(t.Date())
			return startOfDate(y, m, d, t.Location())
		},
		next: func(start time.Time) time.Time {
			for y, m, d := start.Date(); ; {
				// A date that a zone left out has the start of another: the loop goes past it.
				y, m, d = time.Date(y, m+time.Month(months), d+days, 0, 0, 0, 0, time.UTC).Date()
				if next := startOfDate(y, m, d, start.Location()); next.After(start) {
					return next
				}
			}
		},
	}
}

func monday(y int, m time.Month, d int) (int, time.Month, int) {
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return date.AddDate(0, 0, -(int(date.Weekday())+6)%7).Date()
}

// startOfDate returns the first instant of a date, which is not midnight where the clock is changed
// at midnight.
func startOfDate(y int, m time.Month, d int, loc *time.Location) time.Time {
	noon := time.Date(y, m, d, 12, 0, 0, 0, loc)
	midnight := noon.Add(-sinceMidnight(noon))
	changed, _ := noon.ZoneBounds()
	if changed.IsZero() || !changed.After(midnight) {
		return midnight
	}
	before := changed.Add(-1)
	if by, bm, bd := before.Date(); by == y && bm == m && bd == d {
		return before.Add(-sinceMidnight(before))
	}
	return changed
}

// sinceMidnight returns what the wall clock shows at t.
func sinceMidnight(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(t.Nanosecond())
}
