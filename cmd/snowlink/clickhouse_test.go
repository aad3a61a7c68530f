package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"snowlink/storage/clickstore/clickhouse/clickhousetest"
	"snowlink/storage/storetest/postgrestest"
)

// TestEveryRoleInProcessesOfItsOwn runs two of each role, and kills one of each while links are followed. What was
// answered is counted once.
func TestEveryRoleInProcessesOfItsOwn(t *testing.T) {
	in := newInstallation(t)
	edges, apis, workers := in.apart(2)
	edges[0].mustCreate("x", "https://example.com/")

	var answered atomic.Int64
	var visitors sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		visitors.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if status, err := follow(edges[i%2].public, "x"); err != nil || status != http.StatusFound {
					t.Errorf("GET /x: got %d, %v, want 302", status, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for _, s := range []*service{workers[0], apis[0], workers[1]} {
		time.Sleep(time.Second)
		s.kill()
		s.start()
	}
	close(done)
	visitors.Wait()
	edges[1].wantClicks("x", 60*time.Second, summary{Humans: answered.Load()})
	edges[1].eventually("all arrived", 30*time.Second, func() error {
		if sum, err := edges[1].summarize("x"); err != nil || sum.Pending != 0 {
			return fmt.Errorf("summary: %+v, %v, want nothing pending", sum, err)
		}
		return nil
	})
	in.stop()
}

// TestJourneysThroughAFleet does on a fleet what is done on one process.
func TestJourneysThroughAFleet(t *testing.T) {
	in := newInstallation(t)
	edges, _, _ := in.apart(1)
	journeyOfANewcomer(t, edges[0], "http://sho.rt", 20*time.Second)
	journeyOfALink(t, edges[0])
	edges[0].checkRunning()
	in.stop()
}

// apart starts so many processes of each role, on PostgreSQL and ClickHouse.
func (in *installation) apart(n int) (edges, apis, workers []*service) {
	in.t.Helper()
	shared := slices.Concat(in.shared, []string{
		"--event-store=" + postgrestest.Start(in.t).Schema(in.t), "--click-store=" + clickhousetest.Start(in.t).NewDatabase(in.t),
	})
	for range n {
		edges = append(edges, in.edge())
		apis = append(apis, newService(in.t, append([]string{"--role=api", "--api-listen=" + freeAddress(in.t)}, shared...)...))
		workers = append(workers, newService(in.t, append([]string{"--role=worker"}, shared...)...))
	}
	in.rears = slices.Concat(apis, workers)
	for _, s := range slices.Concat(in.rears, in.edges) {
		s.launch()
	}
	for _, s := range slices.Concat(in.rears, in.edges) {
		s.eventually("ready", 60*time.Second, s.ready)
	}
	return edges, apis, workers
}

// stop stops every process.
func (in *installation) stop() {
	for _, s := range slices.Concat(in.edges, in.rears) {
		s.stop()
	}
}

// follow asks for a link as a person's browser would, and returns the status.
func follow(address, code string) (status int, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/"+code, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
