//go:build integration

package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestReshard adds a fourth shard to three and removes it while everybody goes on, and does so again
// with the process killed that moves the links. Nobody notices, just a quarter of the links move, and
// in the end every link is on the shard that owns it and nowhere else.
func TestReshard(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--replicas", "0")
	f.seed(seedLinks)
	member := f.do("shard", "d")
	f.run("a fourth shard is added", func(t *testing.T) {
		f.endure(t, promptness, func() { f.move(t, "add", member) })
		f.wantShares(t, 4)
	})
	f.run("it is removed", func(t *testing.T) {
		f.endure(t, promptness, func() { f.move(t, "remove", "d") })
		f.wantShares(t, 3)
	})
	f.run("it is added while the mover is killed", func(t *testing.T) {
		f.endureWithout(t, promptness, func() { f.moveThroughKill(t, "add", member) })
		f.wantShares(t, 4)
	})
	f.run("it is removed while the mover is killed", func(t *testing.T) {
		f.endureWithout(t, promptness, func() { f.moveThroughKill(t, "remove", "d") })
		f.wantShares(t, 3)
	})
	f.recount(t, promptness)
}

// shards is the membership as the API tells it.
type shards struct {
	Phase string
	Move  *struct{ Looked, Links, Moved int64 }

	Shards []struct {
		Name, State string
		Share       float64
	}
}

func (f *fleet) shards() (s shards, err error) {
	r, err := f.crowd.edges[0].ask(http.MethodGet, "/api/v1/shards", nil)
	if err == nil && r.status != http.StatusOK {
		err = errors.New(r.said(nil))
	}
	if err == nil {
		err = json.Unmarshal(r.body, &s)
	}
	return s, err
}

// move has the command line change the membership, and returns when the links have moved.
func (f *fleet) move(t *testing.T, verb, shard string) {
	t.Helper()
	began := time.Now()
	f.snowlink(t, "shards", verb, shard)
	took := time.Since(began)
	t.Logf("shards %s: %v for %d links", verb, took.Round(time.Millisecond), seedLinks)
	if limit := time.Minute; took > limit {
		t.Errorf("shards %s took %v, want at most %v", verb, took, limit)
	}
}

// moveThroughKill does the same, and kills the process that moves the links on its way.
func (f *fleet) moveThroughKill(t *testing.T, verb, shard string) {
	t.Helper()
	began := time.Now()
	f.snowlink(t, "shards", verb, shard, "--no-wait")
	f.eventually("half-way", time.Minute, func() error {
		s, err := f.shards()
		if err == nil && s.Phase != "settled" && (s.Move == nil || s.Move.Looked < s.Move.Links/2) {
			err = fmt.Errorf("%s: %+v", s.Phase, s.Move)
		}
		return err
	})
	s, _ := f.shards()
	t.Logf("killed after %v: %s, %+v", time.Since(began).Round(time.Millisecond), s.Phase, s.Move)
	f.do("kill", "rear-1")
	f.do("start", "rear-1")
	f.eventually("moved", time.Minute, func() error {
		s, err := f.shards()
		if err == nil && s.Phase != "settled" {
			err = fmt.Errorf("%s: %+v", s.Phase, s.Move)
		}
		return err
	})
	t.Logf("shards %s through a kill: %v", verb, time.Since(began).Round(time.Millisecond))
}

// snowlink runs the command line.
func (f *fleet) snowlink(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(f.binary, args...)
	cmd.Env = append(os.Environ(), "HOME="+f.dir, "XDG_CONFIG_HOME="+f.dir, "SNOWLINK_SERVER=http://"+f.edges[0], "SNOWLINK_KEY="+f.key)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("snowlink %v: %v\n%s", args, err, out)
	}
}

// wantShares wants as many shards, each with its part of the slots and of the links, and each link on
// one shard alone.
func (f *fleet) wantShares(t *testing.T, n int) {
	t.Helper()
	s, err := f.shards()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Shards) != n {
		t.Fatalf("there are %d shards, want %d: %+v", len(s.Shards), n, s)
	}
	held := f.held()
	total := 0
	for _, links := range held {
		total += links
	}
	if least := f.crowd.book.count(); total < least || total > least+int(f.crowd.unsure.Load()) {
		t.Errorf("the shards hold %d links, want %d, and at most %d more: %v", total, least, f.crowd.unsure.Load(), held)
	}
	// A sample of links is spread less evenly than the slots.
	spread := 0.01 + 2.5*math.Sqrt(1/float64(n)/float64(total))
	for _, shard := range s.Shards {
		want, links := 1/float64(n), float64(held[shard.Name])/float64(total)
		if math.Abs(shard.Share-want) > 0.01 || math.Abs(links-want) > spread {
			t.Errorf("shard %s has %.4f of the slots and %.4f of the links, want %.4f", shard.Name, shard.Share, links, want)
		}
	}
}

// held returns how many links each Redis holds, those that are no shards included.
func (f *fleet) held() map[string]int {
	f.t.Helper()
	held := map[string]int{}
	for _, name := range []string{"a", "b", "c", "d"} {
		held[name] = len(strings.Fields(f.do("ask", "redis-"+name+"-1", "--scan", "--pattern", "l:*")))
	}
	return held
}

// count returns how many links there are.
func (b *book) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seeds + len(b.created)
}
