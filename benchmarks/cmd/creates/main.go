// Command creates measures how many links a second snowlink makes durable: each create that counts
// was answered 201, which is after its commit.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/benchmarks/report"
	"snowlink/benchmarks/rig"
)

type options struct {
	binary      string
	out         string
	rounds      int
	length      time.Duration
	connections int
	fleet       bool
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "../bin/snowlink", "the snowlink to measure")
	flag.StringVar(&o.out, "out", "RESULTS.md", "file to keep the figures in; empty for none")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.DurationVar(&o.length, "length", 5*time.Second, "length of a round")
	flag.IntVar(&o.connections, "connections", 32, "keep-alive connections, each with one create at a time")
	flag.BoolVar(&o.fleet, "fleet", false, "on PostgreSQL and three link shards on Redis, with an edge before the api, rather than embedded stores")
	flag.Parse()

	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "creates:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt)
	defer end()
	dir, err := os.MkdirTemp("", "creates")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, stop, err := startService(ctx, o, dir)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := round(ctx, address, o.connections, time.Second); err != nil { // to warm up
		return err
	}
	var rate, median, slowest report.Spread
	for i := range o.rounds {
		took, err := round(ctx, address, o.connections, o.length)
		if err != nil {
			return err
		}
		slices.Sort(took)
		rate = append(rate, float64(len(took))/o.length.Seconds())
		median = append(median, millis(took[len(took)/2]))
		slowest = append(slowest, millis(took[len(took)*99/100]))
		fmt.Printf("round %d: %.0f creates/s, median %.1f ms, p99 %.1f ms\n", i+1, rate[i], median[i], slowest[i])
	}
	text := fmt.Sprintf(`%d keep-alive connections, each with one create at a time, over %d rounds of %v; client and service share the cores.
Every create is committed before it is answered. Median of the rounds (least – most).

| creates/s | median, ms | p99, ms |
| --- | --- | --- |
| %s | %s | %s |
`, o.connections, o.rounds, o.length, rate, median, slowest)
	fmt.Println(text)
	if o.out == "" {
		return nil
	}
	title, versions := "Creates on embedded stores", []string{rig.Version("go", "version")}
	if o.fleet {
		title, versions = "Creates on PostgreSQL and Redis", append(versions, rig.Version("psql", "--version"), rig.Version("redis-server", "--version"))
	}
	return report.Write(o.out, title, "benchmarks/creates.sh "+strings.Join(os.Args[1:], " "), versions, text)
}

// startService starts what is measured and returns the address of its public listener.
func startService(ctx context.Context, o options, dir string) (address string, stop func(), err error) {
	if !o.fleet {
		s, err := rig.StartSnowlink(ctx, o.binary, dir, -1)
		if err != nil {
			return "", nil, err
		}
		return s.Address, s.Stop, nil
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL passes as another user
		return "", nil, err
	}
	own := filepath.Join(dir, "postgres")
	if err := os.Mkdir(own, 0o755); err != nil {
		return "", nil, err
	}
	postgres, url, err := rig.StartPostgres(ctx, own)
	if err != nil {
		return "", nil, err
	}
	fleet, err := rig.StartFleet(ctx, o.binary, dir, 3, "--event-store="+url)
	if err != nil {
		postgres.Stop()
		return "", nil, err
	}
	stop = func() { fleet.Stop(); postgres.Stop() }
	edge, err := fleet.StartEdge(ctx, "edge")
	if err != nil {
		stop()
		return "", nil, err
	}
	return edge.Address, stop, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var created atomic.Int64

// round creates links for as long as d and returns how long each took. Any other answer than 201 is
// an error.
func round(ctx context.Context, address string, connections int, d time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	client := &fasthttp.HostClient{Addr: address, MaxConns: connections}
	defer client.CloseIdleConnections()
	var (
		crowd sync.WaitGroup
		mu    sync.Mutex
		all   []time.Duration
		fault error
	)
	for range connections {
		crowd.Go(func() {
			took, err := creator(ctx, client)
			mu.Lock()
			defer mu.Unlock()
			all, fault = append(all, took...), errors.Join(fault, err)
		})
	}
	crowd.Wait()
	if fault == nil && len(all) == 0 {
		fault = errors.New("nothing was created")
	}
	return all, fault
}

func creator(ctx context.Context, client *fasthttp.HostClient) (took []time.Duration, err error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(http.MethodPost)
	req.SetRequestURI("http://" + client.Addr + "/api/v1/links")
	req.Header.Set("Authorization", "Bearer "+rig.Key)
	req.Header.SetContentType("application/json")
	for ctx.Err() == nil {
		body, err := json.Marshal(map[string]any{
			"url":  fmt.Sprintf("https://www.example.com/articles/2026/%08d/a-title-of-some-length?ref=newsletter", created.Add(1)),
			"tags": []string{"benchmark"},
		})
		if err != nil {
			return took, err
		}
		req.SetBody(body)
		began := time.Now()
		if err := client.Do(req, resp); err != nil {
			return took, err
		}
		if resp.StatusCode() != http.StatusCreated {
			return took, fmt.Errorf("create: status %d: %.300s", resp.StatusCode(), resp.Body())
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}
