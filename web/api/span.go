package api

import (
	"time"

	"snowlink/shortener"
)

// span is a stretch of time that clicks are counted in: from inclusive, to exclusive, and zero where
// it has no bound.
type span struct {
	from, to time.Time
	loc      *time.Location
	before   func(time.Time) time.Time // takes an instant to its like in the period before; nil: there is none
}

// previous returns the span before s to compare it with: as much of it as has passed of s by now.
func (s span) previous(now time.Time) (span, bool) {
	if s.before == nil {
		return span{}, false
	}
	to := s.to
	if now.Before(to) {
		to = now
	}
	p := span{from: s.before(s.from), to: s.before(to), loc: s.loc}
	if p.to.After(s.from) { // February has no 31st
		p.to = s.from
	}
	return p, p.from.Before(p.to)
}

// spanNamed returns the span that a range names at now: whole days of the wall clock of loc, the
// current one included, but for 24h. Unknown names are refused before.
func spanNamed(name string, now time.Time, loc *time.Location) span {
	now = now.In(loc)
	y, m, d := now.Date()
	day := func(y int, m time.Month, d int) time.Time { return startOfDay(y, m, d, loc) }
	tomorrow := day(y, m, d+1)
	shift := func(years, months, days int) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.In(loc).AddDate(-years, -months, -days) }
	}
	days := func(n int) span { return span{day(y, m, d+1-n), tomorrow, loc, shift(0, 0, n)} }
	switch name {
	case "today":
		return days(1)
	case "yesterday":
		return span{day(y, m, d-1), day(y, m, d), loc, shift(0, 0, 1)}
	case "24h":
		return exactSpan(now.Add(-24*time.Hour), now, loc)
	case "7d":
		return days(7)
	case "28d":
		return days(28)
	case "90d":
		return days(90)
	case "mtd":
		return span{day(y, m, 1), tomorrow, loc, shift(0, 1, 0)}
	case "12mo":
		return span{day(y, m-11, 1), tomorrow, loc, shift(1, 0, 0)}
	case "ytd":
		return span{day(y, time.January, 1), tomorrow, loc, shift(1, 0, 0)}
	}
	return span{loc: loc}
}

// exactSpan is compared with the stretch of the same length before it, if it has a length.
func exactSpan(from, to time.Time, loc *time.Location) span {
	s := span{from: from, to: to, loc: loc}
	if !from.IsZero() && !to.IsZero() {
		length := to.Sub(from)
		s.before = func(t time.Time) time.Time { return t.Add(-length) }
	}
	return s
}

// startOfDay returns the first instant of a date, which may be out of its month.
func startOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	noon := time.Date(y, m, d, 12, 0, 0, 0, loc)
	starts, err := shortener.BucketStarts(noon, noon.Add(1), shortener.Day, loc)
	if err != nil { // a moment has one day
		panic(err)
	}
	return starts[0]
}

// maxSeries is the most buckets that an interval may be asked for.
const maxSeries = 10_000

// intervals are the widths to choose from, each with the longest span it is chosen for. None gives
// more than 400 buckets but the last, which does so after 33 years.
var intervals = []struct {
	interval shortener.Interval
	longest  time.Duration
}{
	{shortener.Minute, 3 * time.Hour},
	{shortener.Hour, 4 * 24 * time.Hour},
	{shortener.Day, 130 * 24 * time.Hour},
	{shortener.Week, 300 * 24 * time.Hour},
}

// chooseInterval returns the width that makes a readable number of buckets.
func chooseInterval(from, to time.Time) shortener.Interval {
	for _, i := range intervals {
		if to.Sub(from) <= i.longest {
			return i.interval
		}
	}
	return shortener.Month
}
