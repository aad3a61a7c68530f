// Package breaker stops calling what does not answer, and tries again in time.
//
// A Breaker stands before one dependency. While it is Closed, calls pass and their results are counted
// over a sliding window; once enough of them failed or were slow it is Open, and calls are refused
// at once. After a while it is HalfOpen and lets a few probes through: if all of them succeed it
// closes, if one fails it opens again.
//
// It promises:
//
//   - a call that is refused costs no allocation, and its error tells when to come back;
//   - results of calls that began before the last change of state do not count after it;
//   - a probe that never comes back does not block the breaker: at its deadline it counts as failed;
//   - a caller who cancels says nothing about the dependency: such a call is not counted at all, and
//     if it was a probe another may take its place;
//   - OnChange is called without any lock held, one change at a time and in order.
//
// It starts no goroutine and no timer: what time brings about happens at the next use.
package breaker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a breaker does with calls.
type State uint8

// The states of a breaker.
const (
	Closed   State = iota // calls pass
	Open                  // calls are refused
	HalfOpen              // a few calls pass, as probes
)

// String returns "closed", "open" or "half-open".
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// ErrOpen is what every refusal is, to errors.Is. The error itself is a *OpenError.
var ErrOpen = errors.New("circuit breaker is open")

// An OpenError refuses a call. It is shared by all calls that are refused for the same reason.
type OpenError struct {
	Name  string // of the breaker
	State State  // Open, or HalfOpen if all probes are taken

	until int64
	clock *clock
}

// Error names the breaker.
func (e *OpenError) Error() string { return "circuit breaker " + e.Name + " is " + e.State.String() }

// Is reports whether target is ErrOpen.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// RetryAfter returns how long, from now on, calls will be refused: 0 if that is over. While probes are
// under way it is how long they may take.
func (e *OpenError) RetryAfter() time.Duration {
	return time.Duration(max(0, e.until-e.clock.now()))
}

// A Breaker guards one dependency. Make one with New. It is safe for concurrent use.
type Breaker struct {
	name  string
	cfg   Config
	clock clock

	// An era begins with each change of state. Its number and the state are one word, so that a call
	// can pass a closed breaker without the lock.
	era atomic.Uint64

	mu      sync.Mutex
	window  window
	probes  probes
	refusal *OpenError // of this era; nil while closed

	changes   []change
	notifying bool
}

type change struct{ from, to State }

// New returns a breaker that is closed. The name is for errors.
func New(name string, cfg Config) *Breaker {
	cfg = cfg.withDefaults()
	b := &Breaker{name: name, cfg: cfg, clock: newClock(cfg.Now)}
	b.window = newWindow(cfg.Window, cfg.Buckets)
	b.probes.out = make([]probe, cfg.HalfOpenPermits)
	return b
}

// Name returns the name given to New.
func (b *Breaker) Name() string { return b.name }

// State returns what would become of a call now: an open breaker whose time is over is HalfOpen.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.unlock()
	b.catchUp(b.clock.now())
	return b.stateNow()
}

func (b *Breaker) stateNow() State { return State(b.era.Load() & 3) }

// Do calls f unless the breaker refuses, and counts its result. The error is that of f, or is ErrOpen
// and f was not called. If ctx was canceled while f ran, an error of f is the caller's doing. A panic
// of f counts as a failure and goes on.
func (b *Breaker) Do(ctx context.Context, f func(context.Context) error) error {
	permit, err := b.Acquire()
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned {
			permit.settle(failure)
		}
	}()
	err = f(ctx)
	returned = true
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		permit.settle(unknown)
	} else {
		permit.Done(err)
	}
	return err
}

// count adds the result of a call to the window, and opens the breaker if that makes too many.
func (b *Breaker) count(now int64, r result, slow bool) {
	if r == unknown {
		return
	}
	sum := b.window.add(now, tally{calls: 1, failed: one(r == failure), slow: one(slow)})
	if sum.calls < b.cfg.MinCalls {
		return
	}
	calls := float64(sum.calls)
	if float64(sum.failed) >= b.cfg.FailureRate*calls ||
		b.cfg.SlowCall > 0 && float64(sum.slow) >= b.cfg.SlowRate*calls {
		b.open(now)
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// judge draws the conclusion from a probe that came back.
func (b *Breaker) judge(now int64, r result, slow bool) {
	switch {
	case r == unknown:
	case r == failure || slow:
		b.open(now)
	default:
		if b.probes.succeeded++; b.probes.succeeded >= b.cfg.HalfOpenPermits {
			b.close()
		}
	}
}

// catchUp does what has become due.
func (b *Breaker) catchUp(now int64) {
	switch b.stateNow() {
	case Open:
		if now >= b.refusal.until {
			b.halfOpen(now)
		}
	case HalfOpen:
		if b.probes.overdue(now) {
			b.open(now)
		}
	}
}

func (b *Breaker) open(now int64) {
	jitter := 0.8 + 0.4*rand.Float64()
	b.enter(Open, now+int64(jitter*float64(b.cfg.OpenFor)))
}

func (b *Breaker) halfOpen(now int64) {
	b.probes.reset()
	b.enter(HalfOpen, now+int64(b.cfg.PermitDeadline))
}

func (b *Breaker) close() {
	b.window.reset()
	b.enter(Closed, 0)
}

// enter begins an era. Until is when the next one may begin.
func (b *Breaker) enter(to State, until int64) {
	era := b.era.Load()
	b.refusal = nil
	if to != Closed {
		b.refusal = &OpenError{Name: b.name, State: to, until: until, clock: &b.clock}
	}
	b.era.Store((era>>2+1)<<2 | uint64(to))
	if b.cfg.OnChange != nil {
		b.changes = append(b.changes, change{State(era & 3), to})
	}
}

// unlock gives up the lock and tells OnChange what happened under it. Whoever finds the telling in
// progress leaves his changes to the one who tells: so they come in order, and never two at once.
func (b *Breaker) unlock() {
	if len(b.changes) == 0 || b.notifying {
		b.mu.Unlock()
		return
	}
	b.notifying = true
	defer func() { // also if OnChange panics
		b.notifying = false
		b.mu.Unlock()
	}()
	for len(b.changes) > 0 {
		next := b.changes[0]
		b.changes = b.changes[1:]
		b.tell(next)
	}
}

func (b *Breaker) tell(c change) {
	b.mu.Unlock()
	defer b.mu.Lock()
	b.cfg.OnChange(c.from, c.to)
}
