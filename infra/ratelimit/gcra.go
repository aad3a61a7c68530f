package ratelimit

import (
	"math"
	"time"
)

// A gcra decides on calls by one number a bucket: the time at which it will be full again (tat, the
// theoretical arrival time). A full bucket is one whose tat has passed, and so is one never heard of.
// It holds no state: where the tat is kept is another's business.
type gcra struct {
	interval int64 // nanoseconds for one token
	window   int64 // interval × burst
	burst    int
}

// longest is the longest window, of some 73 years: more could not be added to a time. A burst that
// would take longer to gather is lowered.
const longest = 1 << 61

func newGCRA(l Limit) gcra {
	if l.Burst <= 0 || !(l.Rate > 0) {
		return gcra{}
	}
	interval := int64(min(longest, max(1, math.Ceil(float64(time.Second)/l.Rate))))
	burst := min(l.Burst, int(longest/interval))
	return gcra{interval: interval, window: interval * int64(burst), burst: burst}
}

// spend decides on a call of that cost, and returns the tat that it leaves behind.
func (g gcra) spend(tat, now int64, cost int) (int64, Result) {
	tat = max(tat, now)
	if cost > g.burst {
		return tat, g.result(tat, now, false, Never)
	}
	next := tat + int64(max(0, cost))*g.interval
	if wait := next - now - g.window; wait > 0 {
		return tat, g.result(tat, now, false, time.Duration(wait))
	}
	return next, g.result(next, now, true, 0)
}

func (g gcra) result(tat, now int64, allowed bool, retry time.Duration) Result {
	r := Result{
		Allowed:    allowed,
		Limit:      g.burst,
		RetryAfter: retry,
		ResetAfter: time.Duration(tat - now),
		Window:     time.Duration(g.window),
	}
	if free := g.window - (tat - now); free > 0 { // not so if the clock was set back
		r.Remaining = int(free / g.interval)
	}
	return r
}
