package service

import (
	"github.com/prometheus/client_golang/prometheus"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/ratelimit"
	"snowlink/web/api"
	"snowlink/web/edge"
)

// limitsRemembered is how many keys of a limit a process remembers.
const limitsRemembered = 100_000

// limits are the limits that this process shares with the others of the installation, in the coordination
// store. One that is nil is left to those who keep it in the process: it is alone, or nothing is limited.
type limits struct {
	store     coordination // a client of its own: who waits for a lease must not wait behind a flood
	shared    []*ratelimit.Shared
	calls     api.Limiter
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
	processes := func() int { return s.processes.playing(role) }
	shared := ratelimit.NewShared(l.store.client, ratelimit.SharedConfig{
		Prefix: "limit:" + s.installation + ":", Secret: []byte("limits " + s.clusterSecret()),
		Processes: processes, MaxKeys: limitsRemembered, Logger: s.host.Logger,
	})
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
		}, func() float64 { return float64(processes()) }))
	return shared
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
