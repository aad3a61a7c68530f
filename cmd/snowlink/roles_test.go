package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"snowlink/storage/storetest/postgrestest"
)

// An installation is what the processes of one have in common: three shards, a Redis by which they find each
// other, and what all of them are told.
type installation struct {
	t            testing.TB
	shards       []*redisServer
	coordination *redisServer
	shared       []string
	edges, rears []*service
}

const clusterSecret = "the secret of the tests"

func newInstallation(t testing.TB, flags ...string) *installation {
	t.Helper()
	in := &installation{t: t, coordination: newRedisServer(t)}
	var members []string
	for i := range 3 {
		in.shards = append(in.shards, newRedisServer(t))
		members = append(members, fmt.Sprintf("shard%d=redis://%s", i, in.shards[i].address))
	}
	in.shared = append([]string{
		"--redis=" + strings.Join(members, ","), "--coordination=redis://" + in.coordination.address,
		"--cluster-secret=" + clusterSecret, "--base-url=http://sho.rt", "--limit-unknown=0",
	}, flags...)
	return in
}

// edge prepares one more edge.
func (in *installation) edge(flags ...string) *service {
	s := newService(in.t, append(append([]string{"--role=edge"}, in.shared...), flags...)...)
	in.edges = append(in.edges, s)
	return s
}

// rear prepares one more process that is both api and worker.
func (in *installation) rear(flags ...string) *service {
	s := newService(in.t, append(append([]string{"--role=api,worker", "--api-listen=" + freeAddress(in.t)}, in.shared...), flags...)...)
	in.rears = append(in.rears, s)
	return s
}

// create makes a link by way of an edge, and returns the status.
func (s *service) create(code, target string) (status int, err error) {
	return s.call(http.MethodPost, "/api/v1/links", fmt.Sprintf(`{"code":%q,"url":%q}`, code, target))
}

func (s *service) call(method, path, body string) (status int, err error) {
	req, err := http.NewRequest(method, "http://"+s.public+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// mustCreate makes a link, and waits until that can be done.
func (s *service) mustCreate(code, target string) {
	s.t.Helper()
	s.eventually("making links", 30*time.Second, func() error {
		status, err := s.create(code, target)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("create %s: got status %d, want 201", code, status)
		}
		return err
	})
}

// follows asks the edge once, and returns what is wrong with the answer.
func (s *service) follows(t *testing.T, code, target string) error {
	t.Helper()
	resp := visit(t, http.MethodGet, "http://"+s.public+"/"+code)
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != target {
		return fmt.Errorf("GET /%s: got %s to %q, want 302 to %q", code, resp.Status, resp.Header.Get("Location"), target)
	}
	return nil
}

// checks returns what /readyz says is wrong.
func (s *service) checks() (map[string]string, error) {
	resp, err := http.Get("http://" + s.admin + "/readyz?verbose")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var said struct {
		Checks []struct{ Name, Error string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return nil, err
	}
	wrong := map[string]string{}
	for _, c := range said.Checks {
		if c.Error != "" {
			wrong[c.Name] = c.Error
		}
	}
	return wrong, nil
}

// saysItWaits waits until the start is said to wait for something.
func (s *service) saysItWaits(what string) {
	s.t.Helper()
	s.eventually("waiting for "+what, 20*time.Second, func() error {
		wrong, err := s.checks()
		if err == nil && !strings.Contains(wrong["start"], what) {
			err = fmt.Errorf("readyz says %q, want that it waits for %s", wrong, what)
		}
		return err
	})
}

// TestEdgesBesideTheOthers has two edges and a process behind them, kills each of them and starts it again.
func TestEdgesBesideTheOthers(t *testing.T) {
	in := newInstallation(t)
	one, two, rear := in.edge(), in.edge(), in.rear()
	one.launch()
	two.launch()
	one.saysItWaits("an api")
	resp := visit(t, http.MethodGet, "http://"+one.public+"/x")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("an edge that has never heard of an api: got %s, want 503 and when to come again", resp.Status)
	}
	rear.start()
	for _, edge := range in.edges {
		edge.eventually("ready", 20*time.Second, edge.ready)
	}

	const target = "https://example.com/one"
	one.mustCreate("spring", target)
	visits := int64(0)
	follow := func(s *service, when, code, target string) {
		t.Helper()
		if err := s.follows(t, code, target); err != nil {
			t.Errorf("%s: %v", when, err)
		} else if code == "spring" {
			visits++
		}
	}
	follow(two, "made by way of the other edge", "spring", target)
	follow(one, "made by way of this edge", "spring", target)
	const edited = "https://example.com/two"
	if status, err := two.call(http.MethodPatch, "/api/v1/links/spring", fmt.Sprintf(`{"url":%q}`, edited)); status != http.StatusOK {
		t.Fatalf("edit: got %d, %v, want 200", status, err)
	}
	for _, edge := range in.edges {
		edge.eventually("aware of the edit", time.Second*raceFactor, func() error {
			err := edge.follows(t, "spring", edited)
			visits++
			return err
		})
	}

	rear.kill()
	two.kill()
	if status, err := one.create("lost", target); err == nil && status < 500 {
		t.Errorf("create without an api: got %d, want 503", status)
	}
	follow(one, "without the api", "spring", edited)
	two.start() // knows the shards from before
	follow(two, "started without the api", "spring", edited)
	if wrong, err := two.checks(); err != nil || len(wrong) > 1 {
		t.Errorf("checks of an edge without an api: %q, %v, want all but that well", wrong, err)
	}
	rear.start()
	one.mustCreate("summer", target)
	follow(two, "made after the restart", "summer", target)
	one.kill()
	one.start()
	follow(one, "after a kill", "spring", edited)

	two.wantClicks("spring", 60*time.Second, summary{Humans: visits})
	if got, err := two.summarize("spring"); err != nil || got.Pending < 0 {
		t.Errorf("summary: %+v, %v", got, err)
	}
	for _, s := range []*service{two, one, rear} {
		s.stop()
	}
}

// TestCoordinationIsAway takes away the Redis by which processes find each other.
func TestCoordinationIsAway(t *testing.T) {
	in := newInstallation(t)
	edge, rear := in.edge(), in.rear()
	rear.start()
	edge.start()
	edge.mustCreate("before", "https://example.com/before")
	edge.eventually("aware of where the api is", 10*time.Second, func() error {
		_, err := os.Stat(filepath.Join(edge.dir, "apis.json"))
		return err
	})
	in.coordination.kill()
	edge.mustCreate("during", "https://example.com/during")
	edge.kill()
	edge.start()
	for _, shard := range in.shards {
		shard.kill() // only the api can tell the target, and only the list of before where that is
	}
	edge.eventually("following links by way of the api", 10*time.Second, func() error {
		return edge.follows(t, "during", "https://example.com/during")
	})
	for _, shard := range in.shards {
		shard.start()
	}

	rear.kill()
	rear.start() // with no number for its links
	edge.eventually("following links", 20*time.Second, func() error {
		return edge.follows(t, "before", "https://example.com/before")
	})
	if status, err := edge.create("", "https://example.com/"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("create by a process that has no node number: got %d, %v, want 503", status, err)
	}
	if wrong, err := rear.checks(); err != nil || wrong["node lease"] == "" || wrong["coordination"] == "" {
		t.Errorf("checks: %q, %v, want the node lease and the coordination store among them", wrong, err)
	}
	in.coordination.start() // empty
	edge.mustCreate("after", "https://example.com/after")
	edge.stop()
	rear.stop()
}

func TestAnotherClusterSecret(t *testing.T) {
	in := newInstallation(t)
	edge, rear := in.edge(), in.rear()
	rear.start()
	edge.start()
	edge.mustCreate("x", "https://example.com/")
	edge.eventually("aware of where the api is", 10*time.Second, func() error {
		_, err := os.Stat(filepath.Join(edge.dir, "apis.json"))
		return err
	})

	stranger := in.edge("--cluster-secret=the secret of somebody else")
	stranger.launch()
	stranger.saysItWaits("an api with the same SNOWLINK_CLUSTER_SECRET")
	stranger.stop()

	rear.stop()
	rear.flags = append(rear.flags, "--cluster-secret=the secret of somebody else")
	rear.start()
	in.shards[0].kill()
	in.shards[1].kill()
	in.shards[2].kill()
	edge.kill()
	edge.start() // and asks where the api was last
	edge.eventually("refused", 20*time.Second, func() error {
		resp := visit(t, http.MethodGet, "http://"+edge.public+"/x")
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("GET /x: got %s, want 503", resp.Status)
		}
		return nil
	})
	edge.stop()
	if said := edge.stderr.String(); !strings.Contains(said, "it has another SNOWLINK_CLUSTER_SECRET") {
		t.Errorf("the edge does not say why it is refused:\n%s", said)
	}
	rear.stop()
}

// TestAFleetOnPostgres starts before its database is there, loses it, and gets it back.
func TestAFleetOnPostgres(t *testing.T) {
	database := postgrestest.Start(t)
	in := newInstallation(t)
	edge, rear := in.edge(), in.rear("--event-store="+database.Schema(t))
	database.Stop()
	rear.launch()
	edge.launch()
	rear.saysItWaits("the event store")
	database.Resume(t)
	for _, s := range []*service{rear, edge} {
		s.eventually("ready", 30*time.Second, s.ready)
	}
	edge.mustCreate("x", "https://example.com/")
	if err := edge.follows(t, "x", "https://example.com/"); err != nil {
		t.Error(err)
	}

	database.Crash()
	if err := edge.follows(t, "x", "https://example.com/"); err != nil {
		t.Errorf("without the event store: %v", err)
	}
	if status, err := edge.create("y", "https://example.com/"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("create without the event store: got %d, %v, want 503", status, err)
	}
	if err := rear.ready(); err == nil {
		t.Error("an api without its event store says that it is ready")
	}
	if err := edge.ready(); err != nil {
		t.Errorf("an edge is not ready, though it answers: %v", err)
	}
	database.Resume(t)
	edge.mustCreate("y", "https://example.com/y")
	edge.wantClicks("x", 30*time.Second, summary{Humans: 2})

	second := in.rear(rear.flags[len(rear.flags)-1])
	second.launch()
	if err := <-second.exited; err == nil || !strings.Contains(second.stderr.String(), "duckdb belongs to one process") {
		t.Errorf("a second file of clicks: got %v, want a refusal\n%s", err, second.stderr)
	}
	second.cmd = nil
	edge.stop()
	rear.stop()
}

func TestAStartThatWaitsCanBeStopped(t *testing.T) {
	in := newInstallation(t)
	edge := in.edge()
	edge.launch()
	edge.saysItWaits("an api")
	edge.stop()
	rear := in.rear("--event-store=postgres://nobody@" + freeAddress(t) + "/none")
	rear.launch()
	rear.saysItWaits("the event store")
	rear.stop()
}

func TestASplitThatCannotWorkIsRefused(t *testing.T) {
	s := newService(t)
	out, errs, exit := s.command("serve", "--role=edge", "--data-dir="+s.dir)
	if exit != 2 || !strings.Contains(errs, "the embedded shards belong to one process") || !strings.Contains(errs, "SNOWLINK_CLUSTER_SECRET") {
		t.Errorf("an edge alone: exit %d, %q and %q, want both faults and exit 2", exit, out, errs)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
		t.Errorf("the data folder holds %v, %v, want nothing: nothing was started", entries, err)
	}
}
