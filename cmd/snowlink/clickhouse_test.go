package main

import (
	"fmt"
	"net/http"
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
	shared := []string{"--event-store=" + postgrestest.Start(t).Schema(t), "--click-store=" + clickhousetest.Start(t).NewDatabase(t)}
	var edges, apis, workers []*service
	for range 2 {
		edges = append(edges, in.edge())
		apis = append(apis, newService(t, append(append([]string{"--role=api", "--api-listen=" + freeAddress(t)}, in.shared...), shared...)...))
		workers = append(workers, newService(t, append(append([]string{"--role=worker"}, in.shared...), shared...)...))
	}
	all := append(append(append([]*service{}, apis...), workers...), edges...)
	for _, s := range all {
		s.launch()
	}
	for _, s := range all {
		s.eventually("ready", 60*time.Second, s.ready)
	}
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
	for _, s := range all {
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
