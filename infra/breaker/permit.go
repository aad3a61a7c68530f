package breaker

import (
	"context"
	"errors"
)

// A Permit is leave to make one call. Its holder must call Done once.
type Permit struct {
	breaker *Breaker
	era     uint64
	start   int64
	ticket  uint64 // of a probe
}

// Acquire returns leave to make a call, or a *OpenError.
func (b *Breaker) Acquire() (Permit, error) {
	p := Permit{breaker: b, era: b.era.Load()}
	if State(p.era&3) == Closed {
		if b.cfg.SlowCall > 0 {
			p.start = b.clock.now()
		}
		return p, nil
	}
	return b.acquireSlowly()
}

func (b *Breaker) acquireSlowly() (Permit, error) {
	b.mu.Lock()
	defer b.unlock()
	now := b.clock.now()
	b.catchUp(now)
	p := Permit{breaker: b, era: b.era.Load(), start: now}
	switch State(p.era & 3) {
	case Open:
		return Permit{}, b.refusal
	case HalfOpen:
		if p.ticket = b.probes.take(now + int64(b.cfg.PermitDeadline)); p.ticket == 0 {
			return Permit{}, b.refusal
		}
	}
	return p, nil
}

// Done tells how the call ended. Results of another era count for nothing, nor does a probe's that
// comes after its deadline, or a second time.
func (p Permit) Done(err error) {
	switch {
	case p.breaker == nil:
	case err == nil:
		p.settle(success)
	case errors.Is(err, context.Canceled):
		p.settle(unknown)
	case p.breaker.cfg.IsFailure(err):
		p.settle(failure)
	default:
		p.settle(success)
	}
}

type result uint8

const (
	success result = iota
	failure
	unknown
)

func (p Permit) settle(r result) {
	b := p.breaker
	b.mu.Lock()
	defer b.unlock()
	now := b.clock.now()
	b.catchUp(now)
	if b.era.Load() != p.era {
		return
	}
	slow := b.cfg.SlowCall > 0 && now-p.start >= int64(b.cfg.SlowCall)
	if State(p.era&3) == Closed {
		b.count(now, r, slow)
	} else if b.probes.release(p.ticket) {
		b.judge(now, r, slow)
	}
}
