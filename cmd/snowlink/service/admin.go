package service

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check is one thing readiness depends on. A check that is not required is shown and does not fail.
type check struct {
	name     string
	required bool
	probe    func(ctx context.Context) error
}

// health answers /livez and /readyz.
type health struct {
	checks   []check
	draining atomic.Bool
}

// result is a check as /readyz?verbose shows it.
type result struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
	Millis   int64  `json:"ms"`
}

func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	ok := !h.draining.Load()
	results := make([]result, 0, len(h.checks))
	for _, c := range h.checks {
		started := time.Now()
		err := c.probe(ctx)
		one := result{Name: c.name, OK: err == nil, Required: c.required, Millis: time.Since(started).Milliseconds()}
		if err != nil {
			one.Error = err.Error()
			ok = ok && !c.required
		}
		results = append(results, one)
	}
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	if !r.URL.Query().Has("verbose") {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(map[bool]string{true: "ready\n", false: "not ready\n"}[ok]))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": ok, "draining": h.draining.Load(), "checks": results})
}

// adminServer returns the server of what only operators may see: health, metrics and profiles.
func adminServer(h *health, metrics prometheus.Gatherer) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", h.live)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
}
