package main

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// redisServer is a redis-server without persistence: each start of it is empty.
type redisServer struct {
	t       testing.TB
	address string
	cmd     *exec.Cmd
}

func newRedisServer(t testing.TB) *redisServer {
	t.Helper()
	r := &redisServer{t: t, address: freeAddress(t)}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *redisServer) start() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.address)
	r.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", r.t.TempDir())
	if err := r.cmd.Start(); err != nil {
		r.t.Fatalf("start redis-server: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", r.address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("redis-server is not ready after 20 s: %v", err)
		}
	}
}

func (r *redisServer) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// TestJourneyOnRealRedis has links on three shards, kills one and then all of them, and lets them come
// back empty: no visitor sees anything but the target, and no click is lost.
func TestJourneyOnRealRedis(t *testing.T) {
	var shards []*redisServer
	var members []string
	for i := range 3 {
		shards = append(shards, newRedisServer(t))
		members = append(members, fmt.Sprintf("shard%d=redis://%s", i, shards[i].address))
	}
	s := newService(t, "--redis="+strings.Join(members, ","))
	s.start()
	var codes []string
	target := func(code string) string { return "https://example.com/redis/" + code }
	create := func() {
		t.Helper()
		code := fmt.Sprintf("r%d", len(codes))
		if out, errs, exit := s.command("link", "create", "--code", code, target(code)); exit != 0 {
			t.Fatalf("create %s: exit %d\n%s%s", code, exit, out, errs)
		}
		codes = append(codes, code)
	}
	visits := map[string]int64{}
	follow := func(when string) {
		t.Helper()
		for _, code := range codes {
			resp := visit(t, http.MethodGet, "http://"+s.public+"/"+code)
			if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != target(code) {
				t.Errorf("%s: GET /%s: got %s to %q, want 302 to %q", when, code, resp.Status, resp.Header.Get("Location"), target(code))
				continue
			}
			visits[code]++
		}
	}
	for range 6 {
		create()
	}
	follow("with all shards")
	shards[0].kill()
	create()
	follow("with a shard down")
	shards[1].kill()
	shards[2].kill()
	create()
	follow("with all shards down")
	s.kill() // what memory had is gone too
	s.start()
	follow("with all shards down, after a kill")
	for _, r := range shards {
		r.start()
	}
	follow("with all shards back, empty")
	for code, n := range visits {
		s.wantClicks(code, 60*time.Second, summary{Humans: n})
	}
	s.checkAudits()
}

func TestAShardBelongsToOneInstallation(t *testing.T) {
	r := newRedisServer(t)
	first := newService(t, "--redis=a=redis://"+r.address)
	first.start()
	first.stop()
	second := newService(t)
	out, errs, exit := second.command("serve", "--data-dir="+second.dir, "--listen="+second.public, "--admin-listen="+second.admin, "--redis=a=redis://"+r.address)
	if exit != 1 || !strings.Contains(errs, "belongs to another installation") {
		t.Errorf("a second installation on the shard: exit %d, %q and %q, want a refusal", exit, out, errs)
	}
}
