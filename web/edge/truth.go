package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"snowlink/infra/breaker"
	"snowlink/infra/bulkhead"
	"snowlink/shortener"
)

var (
	// errSilent lets a visitor go while the question is still on its way.
	errSilent = errors.New("the api has not answered in time")
	// errNarrow refuses an address that has asked for too many unknown codes and finds its lane full.
	errNarrow = errors.New("address has asked for too many unknown codes")
)

// truth is the way to the api, which is what stands when shards fall and so must not be flooded then: a
// breaker stops asking one that does not answer, and bulkheads bound what is asked at once. Addresses
// that have asked for too many unknown codes share a narrow lane of their own, so that they can neither
// hold up others nor be kept from a link that exists.
type truth struct {
	resolver Resolver
	breaker  *breaker.Breaker
	wide     *bulkhead.Bulkhead
	narrow   *bulkhead.Bulkhead
	patience time.Duration
	timeout  time.Duration
	heard    atomic.Int64   // when the api last answered, on the clock of began
	began    time.Time      // of this process, roughly
	calls    sync.WaitGroup // under way, also those nobody waits for
}

// reply is what the api has said.
type reply struct {
	record shortener.Record
	found  bool
	err    error
}

func newTruth(resolver Resolver, l Limits, metrics prometheus.Registerer) *truth {
	t := &truth{
		resolver: resolver,
		breaker:  breaker.New("resolve", breaker.Config{OpenFor: time.Second, PermitDeadline: l.Resolve}),
		wide:     bulkhead.New(bulkhead.Config{Calls: l.Resolving, Queue: 2 * l.Resolving, Wait: l.Queue}),
		narrow:   bulkhead.New(bulkhead.Config{Calls: l.ResolvingLimited, Queue: 8 * l.ResolvingLimited, Wait: l.Queue}),
		patience: l.Patience,
		timeout:  l.Resolve,
		began:    time.Now(),
	}
	if metrics != nil {
		metrics.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "snowlink_resolve_calls", Help: "Calls under way to resolve links that neither memory nor a shard has.",
			}, func() float64 { return float64(t.wide.UnderWay() + t.narrow.UnderWay()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "snowlink_resolve_breaker_open", Help: "1 while links are not resolved by the api because it does not answer.",
			}, func() float64 { return map[bool]float64{true: 1}[t.breaker.State() == breaker.Open] }),
		)
	}
	return t
}

// ask returns what the api says. If it says nothing to anyone for as long as a visitor may wait, of which
// spent is over, the error is errSilent, and what it says in the end is received from late.
func (t *truth) ask(ctx context.Context, ref shortener.Ref, limited bool, spent time.Duration) (r reply, late <-chan reply) {
	permit, err := t.breaker.Acquire()
	if err != nil {
		return reply{err: err}, nil
	}
	lane, full := t.wide, error(nil)
	if limited {
		lane, full = t.narrow, errNarrow
	}
	began := time.Now()
	if err := lane.Enter(ctx); err != nil {
		permit.Done(context.Canceled) // which says nothing about the api
		return reply{err: cmp.Or(full, fmt.Errorf("resolve: %w", err))}, nil
	}
	answer := make(chan reply, 1)
	t.calls.Go(func() {
		defer lane.Leave()
		answer <- t.call(ctx, ref)
	})
	r, answered := t.wait(answer, spent+time.Since(began))
	if !answered {
		permit.Done(errSilent)
		return reply{err: errSilent}, answer
	}
	permit.Done(r.err)
	return r, nil
}

func (t *truth) call(ctx context.Context, ref shortener.Ref) (r reply) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r = reply{err: fmt.Errorf("the resolver panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	r.record, r.found, r.err = t.resolver.Resolve(ctx, ref)
	if r.err == nil {
		t.heard.Store(int64(time.Since(t.began)))
	}
	return r
}

// steps is in how many parts patience runs out. Time in which this process itself stood still is none that
// the api has let pass, and counts as one part at most.
const steps = 8

// wait waits for the answer until patience has run out since the api was last heard, by anyone.
func (t *truth) wait(answer <-chan reply, spent time.Duration) (r reply, answered bool) {
	step := t.patience / steps
	timer := time.NewTimer(step)
	defer timer.Stop()
	heard := t.heard.Load()
	for {
		select {
		case r = <-answer:
			return r, true
		case <-timer.C:
		}
		spent += step
		if now := t.heard.Load(); now != heard {
			heard, spent = now, 0
		}
		if spent >= t.patience {
			return reply{}, false
		}
		timer.Reset(step)
	}
}
