package breaker

import "time"

// A clock tells the time in nanoseconds since some moment.
type clock struct {
	source func() time.Time
	origin time.Time
}

func newClock(source func() time.Time) clock { return clock{source, time.Now()} }

func (c *clock) now() int64 {
	if c.source != nil {
		return c.source().UnixNano()
	}
	return int64(time.Since(c.origin)) // reads the monotonic clock alone, which is half the price
}
