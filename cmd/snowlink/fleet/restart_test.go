//go:build integration

package fleet

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestRollingRestart restarts every process of snowlink, one after the other, behind a balancer and under clients
// that keep their connections. No request may fail, and none is sent twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--layout", "apart", "--rears", "2", "--workers", "2")
	f.seed(seedLinks)
	b := &door{}
	defer b.open(f)()
	f.crowd.edges = []*lines{{address: f.edges[0], key: f.key, dial: b.dial}}
	for name, parts := range map[string][]string{
		"the edges": {"edge-1", "edge-2"}, "the apis": {"api-1", "api-2"}, "the workers": {"worker-1", "worker-2"},
	} {
		f.run(name, func(t *testing.T) {
			visits, creates := f.restartUnderLoad(parts...)
			allRight(t, "redirects", visits)
			allRight(t, "creates", creates)
		})
	}
}

// restartUnderLoad restarts processes while the crowd goes on, and returns what that has met.
func (f *fleet) restartUnderLoad(names ...string) (visits, creates acts) {
	f.t.Helper()
	f.crowd.gather(rates{visits: 300, creates: 5})
	time.Sleep(time.Second)
	began := time.Now()
	f.do(append([]string{"restart"}, names...)...)
	took := time.Since(began)
	time.Sleep(time.Second)
	f.crowd.disperse()
	visits, _, creates = f.crowd.acts()
	f.t.Logf("%d redirects and %d creates, %d of them refused, while %v restarted in %v",
		len(visits), len(creates), creates.count(refused), names, took.Round(time.Millisecond))
	return visits, creates
}

func allRight(t *testing.T, name string, done acts) {
	t.Helper()
	if n := done.count(right); n == len(done) && n > 0 {
		return
	}
	t.Errorf("%s: got %d of %d right, want all, and some", name, done.count(right), len(done))
	for _, k := range []kind{refused, lost, astray, broken} {
		t.Logf("%v: %s", k, done.notes(k, 5))
	}
}

// A door balances connections as balancers in front of a site do: it asks each edge each 200 ms whether it is ready, and
// connects who comes to one that was. It repeats nothing.
type door struct {
	mu    sync.Mutex
	ready []string // edges
}

// open begins to look after the edges of f, and returns what ends that.
func (d *door) open(f *fleet) (end func()) {
	over := make(chan struct{})
	var watch sync.WaitGroup
	admins := map[string]string{}
	for _, part := range f.parts() {
		for _, edge := range f.edges {
			if part.address == edge {
				admins[edge] = part.admin
			}
		}
	}
	d.look(admins)
	watch.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				d.look(admins)
			}
		}
	})
	return func() { close(over); watch.Wait() }
}

func (d *door) look(admins map[string]string) {
	var ready []string
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for edge, admin := range admins {
		resp, err := client.Get("http://" + admin + "/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			ready = append(ready, edge)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = ready
}

func (d *door) dial() (net.Conn, error) {
	d.mu.Lock()
	ready := d.ready
	d.mu.Unlock()
	if len(ready) == 0 {
		return nil, errors.New("no edge is ready")
	}
	return net.DialTimeout("tcp", ready[rand.IntN(len(ready))], patience)
}
