// Package balancer spreads calls over upstreams that may differ in speed and may fail.
//
// The caller picks an upstream, calls it, and says how that went; what is called, and how, the
// balancer does not know. Three policies choose among the available upstreams:
//
//   - P2C takes the better of two drawn at random, by peak EWMA: the latency lately seen, times the
//     calls under way, over the weight. A latency above the average counts at once, one below it by
//     and by, so that an upstream that slows down is noticed with its first slow call;
//   - LeastRequest takes the one with the fewest calls under way for its weight;
//   - RoundRobin takes each in its turn, those of greater weight more often, evenly spread.
//
// An upstream is available if it is healthy (SetHealthy), not ejected, and says that it is Ready. One that
// fails EjectAfter times in a row is ejected for a while, longer each time; never more than a share of all
// are ejected at once, so that a fault of the caller's own cannot take everything away. With no
// upstream available Pick fails: it never hands out one that is known to be of no use.
//
// It starts no goroutine. All of it is safe for concurrent use.
package balancer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNone means that there is no upstream to call.
var ErrNone = errors.New("no upstream is available")

// Upstream is something that can be called. Name identifies it: what is known of an upstream outlives
// a Set that has one of the same name and address.
type Upstream struct {
	Name   string
	Addr   string
	Weight int         // its share of the calls; 0 means 1
	Ready  func() bool // asked at each pick, and to be quick: whether its breaker lets calls pass. nil: always
}

// Policy is a way to choose.
type Policy uint8

// The policies.
const (
	P2C Policy = iota
	LeastRequest
	RoundRobin
)

// Config says how to choose. The zero value is P2C with the defaults stated.
type Config struct {
	Policy     Policy
	Decay      time.Duration    // in which an old latency loses two thirds of its weight; 0 means 10 s
	EjectAfter int              // failures in a row; 0 means 5, less than 0 never
	EjectFor   time.Duration    // the first time, and that much longer each further time; 0 means 5 s
	MaxEjected float64          // share of all upstreams; 0 means one half
	Now        func() time.Time // nil means time.Now
	Rand       func(n int) int  // a number below n; nil means math/rand/v2
}

// Balancer chooses among upstreams. Make one with New.
type Balancer struct {
	config Config
	set    atomic.Pointer[[]*member]
	mu     sync.Mutex // guards changes of the set, ejections, and turns
}

// New returns a balancer without upstreams.
func New(config Config) *Balancer {
	if config.Decay <= 0 {
		config.Decay = 10 * time.Second
	}
	if config.EjectAfter == 0 {
		config.EjectAfter = 5
	}
	if config.EjectFor <= 0 {
		config.EjectFor = 5 * time.Second
	}
	if config.MaxEjected <= 0 {
		config.MaxEjected = 0.5
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rand == nil {
		config.Rand = rand.IntN
	}
	b := &Balancer{config: config}
	b.set.Store(&[]*member{})
	return b
}

// Set replaces the upstreams. Calls under way go on.
func (b *Balancer) Set(upstreams []Upstream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.set.Load()
	set := make([]*member, 0, len(upstreams))
	for _, u := range upstreams {
		m := &member{stats: &stats{}}
		if i := slices.IndexFunc(old, func(m *member) bool { return m.Name == u.Name && m.Addr == u.Addr }); i >= 0 {
			m.stats = old[i].stats
		}
		u.Weight = max(1, u.Weight)
		m.Upstream = u
		set = append(set, m)
	}
	b.set.Store(&set)
}

// SetHealthy says what an active check has found. Upstreams are healthy until they are said not to be.
func (b *Balancer) SetHealthy(name string, healthy bool) {
	for _, m := range *b.set.Load() {
		if m.Name == name {
			m.sick.Store(!healthy)
		}
	}
}

// Pick chooses an upstream other than those named, and counts a call as under way until Done. The error
// is ErrNone.
func (b *Balancer) Pick(except ...string) (Picked, error) {
	now := b.config.Now().UnixNano()
	var room [16]*member
	free := room[:0]
	for _, m := range *b.set.Load() {
		if m.available(now) && !slices.Contains(except, m.Name) {
			free = append(free, m)
		}
	}
	if len(free) == 0 {
		return Picked{}, ErrNone
	}
	m := b.choose(free, now)
	m.pending.Add(1)
	return Picked{Upstream: m.Upstream, balancer: b, member: m}, nil
}

func (b *Balancer) choose(free []*member, now int64) *member {
	if len(free) == 1 {
		return free[0]
	}
	switch b.config.Policy {
	case RoundRobin:
		return b.turn(free)
	case LeastRequest:
		return least(free, b.config.Rand(len(free)))
	}
	i, j := b.config.Rand(len(free)), b.config.Rand(len(free)-1)
	if j >= i {
		j++
	}
	if free[j].cost(now, b.config.Decay) < free[i].cost(now, b.config.Decay) {
		return free[j]
	}
	return free[i]
}

// turn is smooth weighted round robin: each gains its weight, the richest is taken and pays for all.
func (b *Balancer) turn(free []*member) *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	total, best := 0, free[0]
	for _, m := range free {
		total += m.Weight
		if m.credit += m.Weight; m.credit > best.credit {
			best = m
		}
	}
	best.credit -= total
	return best
}

// least returns the member with the fewest calls for its weight, the first from start on of several.
func least(free []*member, start int) *member {
	best := free[start]
	for i := range free {
		m := free[(start+i)%len(free)]
		if m.pending.Load()*int64(best.Weight) < best.pending.Load()*int64(m.Weight) {
			best = m
		}
	}
	return best
}

// Picked is an upstream that was chosen for one call. Done is to be called once.
type Picked struct {
	Upstream
	balancer *Balancer
	member   *member
}

// Done ends the call. latency is what the upstream took, and err is what it did wrong: nil, or
// context.Canceled if the caller gave up, of which neither says anything about the upstream.
func (p Picked) Done(latency time.Duration, err error) {
	m, b := p.member, p.balancer
	m.pending.Add(-1)
	if errors.Is(err, context.Canceled) {
		return
	}
	now := b.config.Now().UnixNano()
	m.observe(now, latency, b.config.Decay)
	if err == nil {
		m.failures.Store(0)
		return
	}
	if n := m.failures.Add(1); b.config.EjectAfter > 0 && int(n) >= b.config.EjectAfter {
		b.eject(m, now)
	}
}

// eject takes m out for a while, unless too many are out already.
func (b *Balancer) eject(m *member, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	set := *b.set.Load()
	out := 1
	for _, o := range set {
		if o.stats != m.stats && o.ejectedUntil.Load() > now {
			out++
		}
	}
	if m.ejectedUntil.Load() > now || float64(out) > b.config.MaxEjected*float64(len(set)) {
		return
	}
	m.failures.Store(0)
	m.ejections = min(m.ejections+1, 10)
	m.ejectedUntil.Store(now + int64(m.ejections)*int64(b.config.EjectFor))
}

// Status is what the balancer knows of an upstream.
type Status struct {
	Upstream  Upstream
	Available bool
	Ejected   bool
	Healthy   bool
	Pending   int
	Latency   time.Duration // peak EWMA
}

// Status returns what is known of each upstream, in the order of Set.
func (b *Balancer) Status() []Status {
	now := b.config.Now().UnixNano()
	set := *b.set.Load()
	all := make([]Status, 0, len(set))
	for _, m := range set {
		all = append(all, Status{
			Upstream: m.Upstream, Available: m.available(now), Ejected: m.ejectedUntil.Load() > now,
			Healthy: !m.sick.Load(), Pending: int(m.pending.Load()), Latency: time.Duration(m.latency(now, b.config.Decay)),
		})
	}
	return all
}
