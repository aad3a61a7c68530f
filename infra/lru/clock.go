package lru

import (
	"sync/atomic"
	"time"
)

// tick is how old the answer of a coarse clock can be.
const tick = 10 * time.Millisecond

// A clock tells the time in nanoseconds since some moment. Without a source it is coarse: it keeps one
// reading for a tick, since reading the time costs more than all the rest of a hit. A timer ends the
// tick, and is set only when somebody asks, so that a clock nobody reads costs nothing and need
// not be stopped.
type clock struct {
	source func() time.Time
	origin time.Time
	coarse *coarse
}

type coarse struct {
	reading atomic.Int64 // 0: none
	timer   *time.Timer
	_       [48]byte // keeps what others write out of the cache line that every hit reads
}

func newClock(source func() time.Time) clock {
	c := clock{source: source, origin: time.Now()}
	if source == nil {
		c.coarse = new(coarse)
		c.coarse.timer = time.AfterFunc(tick, c.coarse.end)
	}
	return c
}

func (c *coarse) end() { c.reading.Store(0) }

func (c *clock) now() int64 {
	if c.source != nil {
		return c.source().UnixNano()
	}
	if t := c.coarse.reading.Load(); t != 0 {
		return t
	}
	return c.read()
}

func (c *clock) read() int64 {
	t := int64(time.Since(c.origin)) + 1
	if c.coarse.reading.CompareAndSwap(0, t) {
		c.coarse.timer.Reset(tick)
	}
	return t
}
