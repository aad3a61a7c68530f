package ratelimit

import "sync/atomic"

// A guard keeps callers from a Redis that does not answer. It opens when more than one call in eleven
// fails, or three of the first do, and is closed by who has tried again.
type guard struct {
	suspicion atomic.Int64
	opened    atomic.Bool
}

const (
	suspect   = 10 // what a failure adds, and how many successes make up for it
	convinced = 3 * suspect
)

func (g *guard) open() bool { return g.opened.Load() }

// failed reports whether this failure has opened the guard.
func (g *guard) failed() bool {
	return g.suspicion.Add(suspect) >= convinced && g.opened.CompareAndSwap(false, true)
}

func (g *guard) succeeded() {
	for {
		was := g.suspicion.Load()
		if was == 0 || g.suspicion.CompareAndSwap(was, was-1) {
			return
		}
	}
}

func (g *guard) close() {
	g.suspicion.Store(0)
	g.opened.Store(false)
}
