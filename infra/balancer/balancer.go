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
// are ejected at once, so that a fault of the caller's own cannot take everything away. One that comes
// new to others, or comes back, gets its share of the calls by and by. If fewer than a share of all are
// available, health and ejections are not believed any more and all that are Ready are: it is likelier
// that the checks are wrong, and the few that are left could not bear the load of all. With none Ready
// Pick fails.
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
// a Set that has one of the same name, address and generation.
type Upstream struct {
	Name       string
	Addr       string
	Generation int64       // another one after each restart
	Weight     int         // its share of the calls; 0 means 1
	Ready      func() bool // asked at each pick, and to be quick: whether its breaker lets calls pass. nil: always
}

// Config says how to choose. The zero value is P2C with the defaults stated.
type Config struct {
	Policy     Policy
	Decay      time.Duration    // in which an old latency loses two thirds of its weight; 0 means 10 s
	EjectAfter int              // failures in a row; 0 means 5, less than 0 never
	EjectFor   time.Duration    // the first time, and that much longer each further time; 0 means 5 s
	MaxEjected float64          // share of all upstreams; 0 means one half
	SlowStart  time.Duration    // until a newcomer gets its whole share; 0 means 5 s, less than 0 none
	PanicBelow float64          // share of all upstreams; 0 means 0.3, less than 0 never
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
	if config.SlowStart == 0 {
		config.SlowStart = 5 * time.Second
	}
	if config.PanicBelow == 0 {
		config.PanicBelow = 0.3
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
	now := b.config.Now().UnixNano()
	set := make([]*member, 0, len(upstreams))
	for _, u := range upstreams {
		m := &member{stats: &stats{}}
		if i := slices.IndexFunc(old, func(m *member) bool { return m.is(u) }); i >= 0 {
			m.stats = old[i].stats
		} else if len(old) > 0 { // the first ones have not just started: we have
			m.warmFrom.Store(now)
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
		if m.Name == name && m.sick.Swap(!healthy) && healthy {
			m.warmFrom.Store(b.config.Now().UnixNano())
		}
	}
}

// Pick chooses an upstream other than those named, and counts a call as under way until Done. The error
// is ErrNone.
func (b *Balancer) Pick(except ...string) (Picked, error) {
	now := b.config.Now().UnixNano()
	var room, spare [16]*member
	free, ready := room[:0], spare[:0] // those available; those of the others that are ready
	set := *b.set.Load()
	for _, m := range set {
		switch {
		case m.Ready != nil && !m.Ready():
		case m.sick.Load() || m.ejected(now):
			ready = append(ready, m)
		default:
			free = append(free, m)
		}
	}
	if float64(len(free)) < b.config.PanicBelow*float64(len(set)) {
		free = append(free, ready...)
	}
	if len(except) > 0 {
		free = slices.DeleteFunc(free, func(m *member) bool { return slices.Contains(except, m.Name) })
	}
	if free = b.warm(free, now); len(free) == 0 {
		return Picked{}, ErrNone
	}
	m := b.choose(free, now)
	m.pending.Add(1)
	return Picked{Upstream: m.Upstream, balancer: b, member: m}, nil
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
			Upstream: m.Upstream, Available: m.available(now), Ejected: m.ejected(now),
			Healthy: !m.sick.Load(), Pending: int(m.pending.Load()), Latency: time.Duration(m.latency(now, b.config.Decay)),
		})
	}
	return all
}
