package gateway

import (
	"encoding/json"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

func (g *Gateway) problem(ctx *fasthttp.RequestCtx, status int, slug, detail string) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{strings.TrimRight(g.config.BaseURL, "/") + "/problems/" + slug, fasthttp.StatusMessage(status), status, detail})
	if err != nil {
		body = []byte("{}") // strings and a number: cannot be
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/problem+json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBody(body)
}

type metrics struct{ requests *prometheus.CounterVec }

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "snowlink_gateway_requests_total", Help: "Requests for the roles behind the gateway by what became of them.",
	}, []string{"service", "outcome"})}
	if to != nil {
		to.MustRegister(m.requests)
	}
	return m
}

func (m *metrics) count(service, outcome string) { m.requests.WithLabelValues(service, outcome).Inc() }
