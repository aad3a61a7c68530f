package service

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"snowlink/cmd/snowlink/config"
)

// check is one thing readiness depends on. A check that is not required is shown and does not fail.
type check struct {
	name     string
	required bool
	probe    func(ctx context.Context) error
}

// health answers /livez and /readyz, from the beginning of a start to the end of a stop.
type health struct {
	checks   atomic.Pointer[func() []check] // nil while starting
	waiting  atomic.Pointer[string]         // what the start waits for
	draining atomic.Bool
}

func (h *health) waitFor(what string)           { h.waiting.Store(&what) }
func (h *health) started(checks func() []check) { h.checks.Store(&checks) }

// result is a check as /readyz?verbose shows it.
type result struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
	Millis   int64  `json:"ms"`
}

// run makes the checks.
func (h *health) run(ctx context.Context) (ok bool, results []result) {
	list := h.checks.Load()
	if list == nil {
		starting := result{Name: "start", Required: true}
		if waiting := h.waiting.Load(); waiting != nil {
			starting.Error = "waits for " + *waiting
		}
		return false, []result{starting}
	}
	ok, results = true, []result{}
	for _, c := range (*list)() {
		began := time.Now()
		err := c.probe(ctx)
		one := result{Name: c.name, OK: err == nil, Required: c.required, Millis: time.Since(began).Milliseconds()}
		if err != nil {
			one.Error = err.Error()
			ok = ok && !c.required
		}
		results = append(results, one)
	}
	return ok, results
}

func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	ok, results := h.run(ctx)
	ok = ok && !h.draining.Load()
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

// checks are what /readyz shows of the roles of this process. Required is only what its first duty cannot
// be done without. For an edge that is nothing but the edge: taken off a balancer because something behind
// it is away, it could not outlive that.
func (s *service) checks() []check {
	edge := s.cfg.Plays(config.Edge)
	var checks []check
	if s.stores.events != nil {
		checks = append(checks,
			check{"event store", !edge, func(ctx context.Context) error { _, err := s.stores.events.Head(ctx); return err }},
			check{"click store", !edge && !s.cfg.Plays(config.API), s.stores.clicks.Ping})
	}
	if s.codes != nil {
		checks = append(checks, check{"node lease", false, func(context.Context) error {
			if codes := s.codes.current.Load(); codes == nil || !codes.usable() {
				return errors.New("no lease on a node number")
			}
			return nil
		}})
	}
	if edge {
		checks = append(checks, check{"api", false, func(context.Context) error {
			if len(s.gateway.apis.Instances()) == 0 {
				return errors.New("no api is known")
			}
			return nil
		}})
	}
	checks = append(checks, check{"coordination", false, func(ctx context.Context) error { return s.coordination.client.Ping(ctx).Err() }})
	for _, shard := range s.shards.carriers.shards() {
		checks = append(checks, check{"shard " + shard.name, false, func(ctx context.Context) error {
			return shard.client.Ping(ctx).Err()
		}})
	}
	return checks
}
