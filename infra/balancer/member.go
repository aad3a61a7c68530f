package balancer

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// member is an upstream with what is known of it.
type member struct {
	Upstream
	*stats
}

type stats struct {
	pending      atomic.Int64
	failures     atomic.Int64 // in a row
	ejectedUntil atomic.Int64
	warmFrom     atomic.Int64 // when it came or came back, 0: it was always there
	sick         atomic.Bool

	mu      sync.Mutex
	average float64 // nanoseconds
	seen    int64   // when average was last brought up to date

	ejections int64 // guarded by the balancer's mutex, as is credit
	credit    int
}

// penalty is the latency assumed of an upstream that has calls under way and has answered none yet: a
// newcomer gets one call to show itself, not all of them.
const penalty = float64(time.Second)

// is reports whether all that is known of m is true of u.
func (m *member) is(u Upstream) bool {
	return m.Name == u.Name && m.Addr == u.Addr && m.Generation == u.Generation
}

func (m *member) available(now int64) bool {
	return !m.sick.Load() && !m.ejected(now) && (m.Ready == nil || m.Ready())
}

func (s *stats) ejected(now int64) bool { return s.ejectedUntil.Load() > now }

// cost is what a further call to m would have to wait, roughly.
func (m *member) cost(now int64, decay time.Duration) float64 {
	pending := float64(m.pending.Load())
	latency := m.latency(now, decay)
	if latency == 0 && pending > 0 {
		latency = penalty
	}
	return (latency + 1) * (pending + 1) / float64(m.Weight)
}

// latency returns the average as it has decayed: what was slow long ago gets another chance.
func (s *stats) latency(now int64, decay time.Duration) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.average * s.faded(now, decay)
}

func (s *stats) faded(now int64, decay time.Duration) float64 {
	return math.Exp(-float64(max(0, now-s.seen)) / float64(decay))
}

// observe moves the average towards latency: at once if it is higher, or else by how long ago the last
// one was.
func (s *stats) observe(now int64, latency time.Duration, decay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := float64(max(0, latency))
	if w := s.faded(now, decay); l < s.average {
		l = s.average*w + l*(1-w)
	}
	s.average, s.seen = l, max(s.seen, now)
}
