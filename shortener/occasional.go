package shortener

import (
	"sync/atomic"
	"time"
)

// occasional lets one of many like events a second be told of, with how many were not. The zero value is
// ready.
type occasional struct {
	last   atomic.Int64 // Unix seconds
	untold atomic.Int64
}

// tell reports whether to tell of an event now, and how many were passed over since the last one.
func (o *occasional) tell(now time.Time) (untold int64, ok bool) {
	last, second := o.last.Load(), now.Unix()
	if last == second || !o.last.CompareAndSwap(last, second) {
		o.untold.Add(1)
		return 0, false
	}
	return o.untold.Swap(0), true
}
