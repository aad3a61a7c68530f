// Command misses measures what a redirect costs an edge that does not have the link in memory: it asks
// one of three link shards on Redis. Beside it stands an edge that has all links in memory.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"snowlink/benchmarks/report"
	"snowlink/benchmarks/rig"
)

type options struct {
	binary      string
	out         string
	links       int
	rounds      int
	length      time.Duration
	connections int
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "../bin/snowlink", "the snowlink to measure")
	flag.StringVar(&o.out, "out", "RESULTS.md", "file to keep the figures in; empty for none")
	flag.IntVar(&o.links, "links", 50_000, "how many links there are; memory of the missing edge holds some thousands")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each edge")
	flag.DurationVar(&o.length, "length", 5*time.Second, "length of a round")
	flag.IntVar(&o.connections, "connections", 64, "keep-alive connections")
	flag.Parse()

	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "misses:", err)
		os.Exit(1)
	}
}

// hot is how many links the edge that hits is asked for: so few that hardly any grows old between
// two visits.
const hot = 2000

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "misses")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fleet, err := rig.StartFleet(ctx, o.binary, dir, 3)
	if err != nil {
		return err
	}
	defer fleet.Stop()
	links := rig.Links(o.links)
	if err := fleet.Rear.Make(ctx, links); err != nil {
		return err
	}
	hits := &edge{name: "hit", flags: []string{"--cache-max=1GiB"}, links: links[:min(hot, len(links))]}
	misses := &edge{name: "miss", flags: []string{"--cache-max=1MiB"}, links: links}
	for _, e := range []*edge{hits, misses} {
		if e.Snowlink, err = fleet.StartEdge(ctx, e.name, e.flags...); err != nil {
			return fmt.Errorf("start the edge: %w", err)
		}
		if e.crowd, err = rig.NewCrowd(filepath.Join(dir, e.name), -1, o.connections, e.links); err != nil {
			return err
		}
	}
	if err := compare(ctx, o, []*edge{hits, misses}); err != nil {
		return err
	}
	text := table(o, hits, misses)
	fmt.Println(text)
	if o.out == "" {
		return nil
	}
	versions := []string{rig.Version("go", "version"), rig.Version("redis-server", "--version"), rig.Version("wrk", "-v")}
	return report.Write(o.out, "Misses beside hits", "benchmarks/misses.sh "+strings.Join(os.Args[1:], " "), versions, text)
}
