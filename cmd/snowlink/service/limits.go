package service

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/ratelimit"
	"snowlink/web/api"
	"snowlink/web/edge"
)

// limitsRemembered is how many keys of a limit a process remembers.
const limitsRemembered = 100_000

// ownRemembered is how many keys with one limit of their own a process remembers.
const ownRemembered = 1000

// limits are the limits that this process shares with the others of the installation, in the coordination
// store. One that is nil is left to those who keep it in the process: it is alone, or nothing is limited.
type limits struct {
	store     coordination // a client of its own: who waits for a lease must not wait behind a flood
	shared    []*ratelimit.Shared
	calls     api.Limiter
	ownCalls  func(ratelimit.Limit) api.Limiter // of keys with a limit of their own
	wrongKeys api.Limiter
	unknown   edge.Limiter
}

// openLimits makes the limits of the roles of this process. While the store is away each process has its
// share of them: nobody is let off, and nobody shut out.
func (s *service) openLimits() (l limits, err error) {
	if _, alone := s.cfg.Embedded(); alone {
		return l, nil
	}
	if l.store, err = openCoordination(s.cfg); err != nil {
		return l, err
	}
	if s.cfg.Plays(config.API) {
		shared := s.shareLimits(&l, config.API)
		if !s.cfg.LimitKey.Unlimited() {
			l.calls = shared.Limit("key", limitOf(s.cfg.LimitKey), ratelimit.Share)
		}
		own := s.newShared(l.store, config.API, ownRemembered)
		l.shared = append(l.shared, own)
		l.ownCalls = func(limit ratelimit.Limit) api.Limiter {
			return own.Limit(fmt.Sprintf("key %g:%d", limit.Rate, limit.Burst), limit, ratelimit.Share)
		}
		if !s.cfg.LimitWrongKeys.Unlimited() {
			l.wrongKeys = shared.Limit("wrong-keys", limitOf(s.cfg.LimitWrongKeys), ratelimit.Share)
		}
	}
	if s.cfg.Plays(config.Edge) && !s.cfg.LimitUnknown.Unlimited() {
		l.unknown = s.shareLimits(&l, config.Edge).Limit("unknown", limitOf(s.cfg.LimitUnknown), ratelimit.Share)
	}
	return l, nil
}

// shareLimits makes what the limits of a role are shared by, with the processes that play it.
func (s *service) shareLimits(l *limits, role string) *ratelimit.Shared {
	shared := s.newShared(l.store, role, limitsRemembered)
	l.shared = append(l.shared, shared)
	of := prometheus.Labels{"role": role}
	s.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "snowlink_limits_apart", ConstLabels: of,
			Help: "Whether the coordination store is away, and the limits of a role are kept by each process for its share.",
		}, func() float64 { return number(shared.Away()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "snowlink_limits_processes", ConstLabels: of,
			Help: "Processes that share the limits of a role, as far as this one knows.",
		}, func() float64 { return float64(s.processes.playing(role)) }))
	return shared
}

func (s *service) newShared(store coordination, role string, keys int) *ratelimit.Shared {
	return ratelimit.NewShared(store.client, ratelimit.SharedConfig{
		Prefix: "limit:" + s.installation + ":", Secret: []byte("limits " + s.clusterSecret()),
		Processes: func() int { return s.processes.playing(role) }, MaxKeys: keys, Logger: s.host.Logger,
	})
}

// run looks whether a store that was away is back.
func (l limits) run(b *loops) {
	for _, shared := range l.shared {
		b.start("shared limits", shared.Run)
	}
}

func limitOf(r config.Rate) ratelimit.Limit {
	return ratelimit.Limit{Rate: r.PerSecond, Burst: r.Burst}
}

// unlimited is a rate that nobody reaches.
const unlimited = 1e9

func rateOf(r config.Rate) float64 {
	if r.Unlimited() {
		return unlimited
	}
	return r.PerSecond
}

func burstOf(r config.Rate) int {
	if r.Unlimited() {
		return unlimited
	}
	return r.Burst
}
