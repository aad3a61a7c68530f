package breaker

import "time"

// A tally counts results.
type tally struct{ calls, failed, slow int }

func (t *tally) add(o tally) {
	t.calls += o.calls
	t.failed += o.failed
	t.slow += o.slow
}

func (t *tally) sub(o tally) {
	t.calls -= o.calls
	t.failed -= o.failed
	t.slow -= o.slow
}

// A window is a tally of the last so many steps of time, the current one included. Each step has a
// bucket; sum is what all of them hold.
type window struct {
	step    int64
	current int64 // the number of the current step
	buckets []tally
	sum     tally
}

func newWindow(length time.Duration, buckets int) window {
	return window{step: max(1, int64(length)/int64(buckets)), buckets: make([]tally, buckets)}
}

// add counts t at the time now and returns the sum.
func (w *window) add(now int64, t tally) tally {
	w.advance(now / w.step)
	w.buckets[w.current%int64(len(w.buckets))].add(t)
	w.sum.add(t)
	return w.sum
}

// advance empties the buckets of the steps that have gone by. A clock that was set back stays in the
// current step.
func (w *window) advance(step int64) {
	if step-w.current >= int64(len(w.buckets)) {
		w.reset()
		w.current = step
	}
	for w.current < step {
		w.current++
		bucket := &w.buckets[w.current%int64(len(w.buckets))]
		w.sum.sub(*bucket)
		*bucket = tally{}
	}
}

func (w *window) reset() {
	clear(w.buckets)
	w.sum = tally{}
}
