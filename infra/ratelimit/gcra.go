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

// coarse returns the same limit in whole microseconds: what Redis tells the time in.
func (g gcra) coarse() gcra {
	if g.interval == 0 {
		return g
	}
	us := int64(time.Microsecond)
	g.interval = (g.interval + us - 1) / us * us
	g.burst = min(g.burst, int(longest/g.interval))
	g.window = g.interval * int64(g.burst)
	return g
}

// spend decides on a call of that cost. It returns the tat that the call leaves behind, and how long it
// has to wait: 0 if it is allowed.
func (g *gcra) spend(tat, now int64, cost int) (after int64, wait time.Duration) {
	tat = max(tat, now)
	if cost > g.burst {
		return tat, Never
	}
	after = tat + int64(max(0, cost))*g.interval
	if over := after - now - g.window; over > 0 {
		return tat, time.Duration(over)
	}
	return after, 0
}

// result tells of a bucket with that tat, at the end of a call that has to wait.
func (g *gcra) result(tat, now int64, wait time.Duration) Result {
	r := Result{
		Allowed:    wait == 0,
		Limit:      g.burst,
		RetryAfter: wait,
		ResetAfter: time.Duration(tat - now),
		Window:     time.Duration(g.window),
	}
	if free := g.window - (tat - now); free > 0 { // not so if the clock was set back
		r.Remaining = int(free / g.interval)
	}
	return r
}
