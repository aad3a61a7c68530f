package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// followClicks follows the stream of clicks by way of the public listener, and returns the lines of data.
func (s *service) followClicks(query string) <-chan string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.public+"/api/v1/clicks/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("stream of clicks: %s", resp.Status)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				lines <- data
			}
		}
	}()
	return lines
}

// wantLine waits for a line that holds want.
func (s *service) wantLine(lines <-chan string, want string) {
	s.t.Helper()
	select {
	case line, ok := <-lines:
		if !ok || !strings.Contains(line, want) {
			s.t.Errorf("the stream tells %q, want %s", line, want)
		}
	case <-time.After(20 * time.Second):
		s.t.Errorf("the stream does not tell of %s", want)
	}
}

func TestClicksAreSeenAsTheyCome(t *testing.T) {
	s := newService(t)
	s.start()
	s.mustCreate("spring", "https://example.com/one")
	s.mustCreate("autumn", "https://example.com/two")
	all, spring := s.followClicks(""), s.followClicks("?code=spring")
	for _, code := range []string{"autumn", "spring"} {
		visit(t, http.MethodGet, "http://"+s.public+"/"+code)
		s.wantLine(all, `"code":"`+code+`"`)
	}
	s.wantLine(spring, `"code":"spring"`)
	s.stop() // viewers do not hold it up
	for line := range all {
		t.Errorf("the stream tells %q, want nothing more", line)
	}
}

func TestClicksOfOneEdgeAreSeenByWayOfAnother(t *testing.T) {
	in := newInstallation(t)
	one, two, rear := in.edge(), in.edge(), in.rear()
	for _, s := range []*service{rear, one, two} {
		s.launch()
	}
	for _, s := range []*service{rear, one, two} {
		s.eventually("ready", 20*time.Second, s.ready)
	}
	one.mustCreate("spring", "https://example.com/one")
	lines := one.followClicks("")
	visit(t, http.MethodGet, "http://"+two.public+"/spring")
	one.wantLine(lines, `"code":"spring"`)
	for _, s := range []*service{one, two, rear} {
		s.stop()
	}
}
