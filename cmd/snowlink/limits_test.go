package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
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

// answered asks the edges in turn, often enough to see each of them count by itself, and returns an error
// unless so many answers were not that there are too many calls.
func (c *caller) answered(t testing.TB, edges []*service, status int, path, key string, want int) error {
	t.Helper()
	answered := 0
	for i := range 60 {
		got := c.get(t, "http://"+edges[i%len(edges)].public+path, key)
		switch got {
		case status:
			answered++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("GET %s: got %d, want %d or 429", path, got, status)
		}
	}
	if answered != want {
		return fmt.Errorf("got %d calls answered, want %d", answered, want)
	}
	return nil
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
// it back empty. A call that the coordination store was too slow for is counted beside it, which on a loaded machine
// happens: then another address is tried.
func TestTheLimitsOfAnInstallationAreOne(t *testing.T) {
	const (
		limit = 20
		apart = `snowlink_limits_apart{role="edge"}`
	)
	addresses := 0
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
	var somebody, guesser *caller
	somebodyNew := func() *caller {
		addresses++
		return newCaller(t, fmt.Sprintf("127.0.%d.%d", 1+addresses/250, 1+addresses%250))
	}
	in.edges[0].eventually("counting unknown codes together", 20*time.Second, func() error {
		somebody = somebodyNew()
		return somebody.answered(t, in.edges, http.StatusNotFound, "/unknown", "", limit)
	})
	in.edges[0].eventually("counting wrong keys", 20*time.Second, func() error {
		guesser = somebodyNew()
		return guesser.answered(t, in.edges, http.StatusUnauthorized, "/api/v1/me", "slk_wrong", limit)
	})
	if got := guesser.get(t, "http://"+in.edges[0].public+"/api/v1/me", testKey); got != http.StatusOK {
		t.Errorf("a right key from there: got %d, want 200", got)
	}

	store := redis.NewClient(&redis.Options{Addr: in.coordination.address})
	defer store.Close()
	for _, name := range []string{"unknown", "wrong-keys"} {
		if keys, err := store.Keys(t.Context(), "limit:*:"+name+":*").Result(); err != nil || len(keys) == 0 || strings.Contains(strings.Join(keys, " "), "127.0.") {
			t.Errorf("keys of %s in the store: got %q, %v, want some that hold no address", name, keys, err)
		}
	}

	in.coordination.kill()
	if err := somebody.answered(t, in.edges, http.StatusNotFound, "/unknown", "", 0); err != nil {
		t.Errorf("the same address without the store: %v", err)
	}
	if err := somebodyNew().answered(t, in.edges, http.StatusNotFound, "/unknown", "", limit); err != nil {
		t.Errorf("another address without the store: %v, which is two shares", err)
	}
	for _, edge := range in.edges {
		edge.eventually("apart", 10*time.Second, func() error { return edge.tells(apart, "1") })
	}

	in.coordination.start()
	for _, edge := range in.edges {
		edge.eventually("together", 20*time.Second, func() error { return edge.tells(apart, "0") })
	}
	in.edges[0].eventually("forgetful to nobody's gain", 20*time.Second, func() error {
		return somebodyNew().answered(t, in.edges, http.StatusNotFound, "/unknown", "", 0)
	})
}
