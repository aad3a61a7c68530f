package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// shares is where the Go threads of the service spent their time.
type shares struct {
	answering time.Duration // from reading a request to writing its answer, the click's append included
	runtime   time.Duration // scheduler, poller and garbage collector, for whomever
	rest      time.Duration // the click pipeline, mostly
}

// profiled takes a CPU profile for as long as d and sorts it.
func profiled(ctx context.Context, admin string, d time.Duration) (shares, error) {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, int(d.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return shares{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return shares{}, err
	}
	defer resp.Body.Close()
	p, err := profile.Parse(resp.Body)
	if err != nil {
		return shares{}, fmt.Errorf("profile: %w", err)
	}
	var s shares
	for _, sample := range p.Sample {
		spent := time.Duration(sample.Value[len(sample.Value)-1])
		switch {
		case passes(sample, "github.com/valyala/fasthttp.(*Server).serveConn"):
			s.answering += spent
		case !leaves(sample):
			s.runtime += spent
		default:
			s.rest += spent
		}
	}
	return s, nil
}

func passes(sample *profile.Sample, function string) bool {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if line.Function.Name == function {
				return true
			}
		}
	}
	return false
}

// leaves reports whether any function of the stack is outside of Go's runtime.
func leaves(sample *profile.Sample) bool {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			name := line.Function.Name
			if !strings.HasPrefix(name, "runtime.") && !strings.HasPrefix(name, "internal/runtime/") && strings.Contains(name, ".") {
				return true
			}
		}
	}
	return false
}
