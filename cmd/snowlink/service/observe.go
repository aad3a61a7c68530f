package service

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"snowlink/web/api"
)

// observeShards registers the metrics of the link shards.
func (s *service) observeShards() shardObserver {
	calls := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "snowlink_shard_call_seconds", Help: "Calls of link shards, by what came of them.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1},
	}, []string{"shard", "operation", "result"})
	s.metrics.MustRegister(calls)
	return shardObserver{
		called: func(shard, operation, result string, took time.Duration) {
			calls.WithLabelValues(shard, operation, result).Observe(took.Seconds())
		},
		doubted: s.forget,
	}
}

// observeMembership registers the metrics of the shards as this process sees them.
func (s *service) observeMembership() {
	s.metrics.MustRegister(shardStates{s})
	if s.shards.follower != nil {
		s.gauge("snowlink_membership_epoch", "The version of the link shards' membership that this process uses.",
			func() float64 { return float64(s.shards.links.Epoch()) })
	}
}

// shardStates collects how each shard is, when it is asked for: shards come and go.
type shardStates struct{ s *service }

var (
	breakerDesc  = prometheus.NewDesc("snowlink_shard_breaker_open", "Whether this process's breaker of the link shard is not closed.", []string{"shard"}, nil)
	verifiedDesc = prometheus.NewDesc("snowlink_shard_verified", "Whether the shard was compared with the event store since it started.", []string{"shard"}, nil)
)

// Describe implements prometheus.Collector.
func (shardStates) Describe(to chan<- *prometheus.Desc) { to <- breakerDesc; to <- verifiedDesc }

// Collect implements prometheus.Collector.
func (c shardStates) Collect(to chan<- prometheus.Metric) {
	for _, state := range c.s.shards.links.States() {
		to <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, number(state.Breaker != "closed"), state.Name)
		to <- prometheus.MustNewConstMetric(verifiedDesc, prometheus.GaugeValue, number(state.Verified), state.Name)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// membershipBody is what the api tells edges of the link shards; nil if they are embedded.
func (s *service) membershipBody() func(context.Context) (epoch uint64, body []byte, err error) {
	if s.shards.volatile {
		return nil
	}
	return s.stores.events.Membership
}

func (s *service) shardKeeper() api.ShardKeeper {
	return &shardKeeper{shards: s.shards, kept: s.memberships, events: s.stores.events, moves: s.moveProgress(), lag: &s.lag}
}
