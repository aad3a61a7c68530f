package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"snowlink/benchmarks/report"
	"snowlink/benchmarks/rig"
)

// edge is one under measurement and what its rounds gave.
type edge struct {
	name  string
	flags []string
	links []rig.Link
	crowd *rig.Crowd
	*rig.Snowlink

	cpu    report.Spread // µs of CPU an answer
	rate   report.Spread // answers a second
	missed report.Spread // of 100 answers those for which a shard was asked
}

// compare lets the edges take turns, so that whatever the machine does befalls both.
func compare(ctx context.Context, o options, all []*edge) error {
	for _, e := range all { // to warm up: the one that hits is to have everything in memory
		if err := e.round(ctx, o.length); err != nil {
			return err
		}
		e.cpu, e.rate, e.missed = nil, nil, nil
	}
	for i := range o.rounds {
		for _, e := range all {
			if err := e.round(ctx, o.length); err != nil {
				return err
			}
			fmt.Printf("round %d: %-5s %5.1f µs %8.0f/s %5.1f %% missed\n", i+1, e.name, e.cpu[i], e.rate[i], e.missed[i])
		}
	}
	return nil
}

func (e *edge) round(ctx context.Context, d time.Duration) error {
	asked, err := e.asked(ctx)
	if err != nil {
		return err
	}
	before, err := e.CPU()
	if err != nil {
		return err
	}
	requests, took, err := e.crowd.Run(ctx, e.Address, d)
	if err != nil {
		return err
	}
	after, err := e.CPU()
	if err != nil {
		return err
	}
	now, err := e.asked(ctx)
	if err != nil {
		return err
	}
	e.cpu = append(e.cpu, float64((after-before).Nanoseconds())/1000/float64(requests))
	e.rate = append(e.rate, float64(requests)/took.Seconds())
	e.missed = append(e.missed, 100*(now-asked)/float64(requests))
	return nil
}

// asked returns how many links the edge has had from a shard. Those of the api count for nothing: a run
// in which shards fail is not the one that was meant.
func (e *edge) asked(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Admin+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	const series = `snowlink_edge_lookups_total{answer="shard"} `
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), series); ok {
			var n float64
			_, err := fmt.Sscan(text, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("the metrics have no %s: %w", series, lines.Err())
}

func table(o options, hits, misses *edge) string {
	var b strings.Builder
	fmt.Fprintf(&b, `%d links on three shards, %d keep-alive connections, the headers of a browser, a random link each time: of all for the edge
that misses, which has 1 MiB of memory for links, and of %d for the one that hits. Edges, Redis, the api and wrk share all cores;
the edges take turns, %d rounds of %v. CPU is the edge's own, its clicks sent on: median (least – most).

| | µs of CPU a redirect | beside a hit | redirects/s, closed loop | asked a shard, %% |
| --- | --- | --- | --- | --- |
`, o.links, o.connections, hot, o.rounds, o.length)
	for _, e := range []*edge{hits, misses} {
		fmt.Fprintf(&b, "| %s | %s | %.2f× | %.0f | %.1f |\n", e.name, e.cpu, e.cpu.Median()/hits.cpu.Median(), e.rate.Median(), e.missed.Median())
	}
	return b.String()
}
