package edge

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counter is on a cache line of its own: every core adds to it.
type counter struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *counter) add() { c.n.Add(1) }

type outcome uint8

// What became of requests for codes.
const (
	outcomeRedirect outcome = iota
	outcomeFallback
	outcomeNotFound
	outcomeGone
	outcomeLimited
	outcomeUnavailable
	outcomePreview
	outcomes
)

type lookup uint8

// Where the answers came from.
const (
	lookupFresh lookup = iota
	lookupStale
	lookupUnverified
	lookupShard
	lookupAPI
	lookupUnknown
	lookupShardFailed
	lookupFailed
	lookups
)

var (
	outcomeNames = [outcomes]string{"redirect", "fallback", "not_found", "gone", "limited", "unavailable", "preview"}
	lookupNames  = [lookups]string{"fresh", "stale", "unverified", "shard", "api", "unknown", "shard_failed", "failed"}
)

type metrics struct {
	outcomes     [outcomes]counter
	lookups      [lookups]counter
	appended     counter
	droppedFull  counter
	droppedError counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{}
	if to == nil {
		return m
	}
	register := func(c *counter, name, help, label, value string) {
		opts := prometheus.CounterOpts{Name: name, Help: help}
		if label != "" {
			opts.ConstLabels = prometheus.Labels{label: value}
		}
		to.MustRegister(prometheus.NewCounterFunc(opts, func() float64 { return float64(c.n.Load()) }))
	}
	for i, name := range outcomeNames {
		register(&m.outcomes[i], "snowlink_redirects_total", "Requests for short links by what became of them.", "outcome", name)
	}
	for i, name := range lookupNames {
		register(&m.lookups[i], "snowlink_edge_lookups_total", "Lookups of links at the edge by what answered.", "answer", name)
	}
	register(&m.appended, "snowlink_clicks_appended_total", "Clicks that the click log has taken.", "", "")
	const dropped, help = "snowlink_clicks_dropped_total", "Redirects whose click is lost."
	register(&m.droppedFull, dropped, help, "reason", "spool_full")
	register(&m.droppedError, dropped, help, "reason", "error")
	return m
}

func (m *metrics) outcome(o outcome) { m.outcomes[o].add() }
func (m *metrics) lookup(l lookup)   { m.lookups[l].add() }
