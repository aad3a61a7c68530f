// Package bulkhead keeps one thing that goes wrong from using up everything: a bounded number of calls
// are under way at once, a bounded number more wait for a bounded time, and the rest are refused.
//
// It promises:
//
//   - there are never more than Calls between Enter and Leave, nor more than Queue waiting;
//   - nobody waits for longer than Wait, and who waits enters in the order of coming: a newcomer does
//     not pass by those who wait;
//   - a call that enters or is refused at once allocates nothing.
//
// A breaker asks whether a dependency answers; a bulkhead does not: it bounds what is asked of one that
// does, too.
package bulkhead

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrFull refuses a call: as many as may are under way, and waiting.
var ErrFull = errors.New("bulkhead is full")

// Config is the size of a bulkhead.
type Config struct {
	Calls int           // how many may be under way at once; 0 means 1
	Queue int           // how many more may wait; 0 means none
	Wait  time.Duration // for how long; 0 means not at all
}

// Bulkhead bounds calls. Make one with New. It is safe for concurrent use.
type Bulkhead struct {
	slots   chan struct{} // holds one for each call under way
	queue   int64
	wait    time.Duration
	waiting atomic.Int64
}

// New returns an empty bulkhead.
func New(c Config) *Bulkhead {
	return &Bulkhead{slots: make(chan struct{}, max(1, c.Calls)), queue: int64(max(0, c.Queue)), wait: max(0, c.Wait)}
}

// Enter returns nil when the caller may go on, who must then call Leave once. The error is ErrFull, or
// that of ctx if it ended while the caller waited.
func (b *Bulkhead) Enter(ctx context.Context) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > b.queue || b.wait == 0 {
		return ErrFull
	}
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case b.slots <- struct{}{}: // senders to a channel are served in the order of coming
		return nil
	case <-timer.C:
		return ErrFull
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave ends a call that has entered.
func (b *Bulkhead) Leave() { <-b.slots }

// UnderWay returns how many calls have entered and not left.
func (b *Bulkhead) UnderWay() int { return len(b.slots) }
