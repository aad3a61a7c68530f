package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count calls by route, which is a pattern of this package and never a path.
type metrics struct {
	took *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "snowlink_api_request_seconds",
		Help:    "Time to answer a call of the REST interface.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"route", "method", "class"})}
	if registry != nil {
		registry.MustRegister(m.took)
	}
	return m
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	switch method {
	case "GET", "POST", "PATCH", "DELETE":
	default:
		method = "other"
	}
	m.took.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}
