package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A caller is somebody at an address of this machine, who claims to be a different one each time.
type caller struct {
	http  *http.Client
	calls int
}

func newCaller(t testing.TB, address string) *caller {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

func (c *caller) get(t testing.TB, url, key string) (status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.calls++
	for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "X-Snowlink-Client"} {
		req.Header.Set(header, fmt.Sprintf("203.0.113.%d", c.calls%250))
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// allowed asks the edges in turn, and returns how many answers were not that there are too many calls.
func (c *caller) allowed(t testing.TB, edges []*service, calls, status int, path, key string) (n int) {
	t.Helper()
	for i := range calls {
		got := c.get(t, "http://"+edges[i%len(edges)].public+path, key)
		switch got {
		case status:
			n++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("GET %s: got %d, want %d or 429", path, got, status)
		}
	}
	return n
}

// tells returns an error unless that is what it tells of a metric.
func (s *service) tells(metric, want string) error {
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(body), "\n"+metric+" "+want+"\n") {
		err = fmt.Errorf("%s is not %s", metric, want)
	}
	return err
}

// TestTheLimitsOfAnInstallationAreOne has two edges and an api, takes away where their limits are, and gives
// it back empty. A call that the coordination store was too slow for is counted beside it, up to as much again.
func TestTheLimitsOfAnInstallationAreOne(t *testing.T) {
	const (
		limit, most = 20, 30 // each for itself would allow 40
		apart       = `snowlink_limits_apart{role="edge"}`
	)
	in := newInstallation(t, "--limit-wrong-keys=1/h:20")
	in.edge("--limit-unknown=1/h:20")
	in.edge("--limit-unknown=1/h:20")
	in.rear().start()
	for _, edge := range in.edges {
		edge.start()
	}
	for _, edge := range in.edges {
		edge.eventually("aware of the other", 20*time.Second, func() error { return edge.tells(`snowlink_limits_processes{role="edge"}`, "2") })
	}
	somebody := newCaller(t, "127.0.0.2")
	if got := somebody.allowed(t, in.edges, 60, http.StatusNotFound, "/unknown", ""); got < limit || got > most {
		t.Errorf("unknown codes of one address at two edges: got %d answered, want %d", got, limit)
	}
	if got := somebody.allowed(t, in.edges, 60, http.StatusUnauthorized, "/api/v1/me", "slk_wrong"); got < limit || got > most {
		t.Errorf("wrong keys of one address at two edges: got %d answered, want %d", got, limit)
	}
	if got := somebody.get(t, "http://"+in.edges[0].public+"/api/v1/me", testKey); got != http.StatusOK {
		t.Errorf("a right key from there: got %d, want 200", got)
	}

	in.coordination.kill()
	if got := somebody.allowed(t, in.edges, 60, http.StatusNotFound, "/unknown", ""); got > limit {
		t.Errorf("unknown codes of the same address without the store: got %d more, want no more than %d", got, limit)
	}
	if got := newCaller(t, "127.0.0.3").allowed(t, in.edges, 60, http.StatusNotFound, "/unknown", ""); got != limit {
		t.Errorf("unknown codes of another address without the store: got %d answered, want the %d of two shares", got, limit)
	}
	for _, edge := range in.edges {
		edge.eventually("apart", 10*time.Second, func() error { return edge.tells(apart, "1") })
	}

	in.coordination.start()
	for _, edge := range in.edges {
		edge.eventually("together", 20*time.Second, func() error { return edge.tells(apart, "0") })
	}
	if got := newCaller(t, "127.0.0.4").allowed(t, in.edges, 60, http.StatusNotFound, "/unknown", ""); got > 1 {
		t.Errorf("unknown codes after the store came back empty: got %d answered, want at most one", got)
	}
}
