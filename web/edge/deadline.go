package edge

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines hands out contexts that end after a time, or a tenth of it earlier: those who come within that tenth
// have one together. A timer of its own is a good part of what a lookup costs that takes a fraction of the time.
type deadlines struct {
	after time.Duration
	last  atomic.Pointer[deadline]
}

type deadline struct {
	context.Context
	until time.Time // it is handed out until then
}

// next returns a context for one lookup. It ends by itself.
func (d *deadlines) next(now time.Time) context.Context {
	if last := d.last.Load(); last != nil && now.Before(last.until) {
		return last
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.after)
	context.AfterFunc(ctx, cancel)
	fresh := &deadline{ctx, now.Add(d.after / 10)}
	d.last.Store(fresh) // of two at once either is good
	return fresh
}
