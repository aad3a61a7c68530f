// Command redirect measures what a redirect costs: CPU time of the server for each answer, of
// snowlink and of nginx with a static map of the same links, turn by turn on one core.
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
	binary                string
	out                   string
	links                 int
	rounds                int
	length                time.Duration
	connections           int
	serverCore, crowdCore int
	contenders            string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "../bin/snowlink", "the snowlink to measure")
	flag.StringVar(&o.out, "out", "RESULTS.md", "file to keep the figures in; empty for none")
	flag.IntVar(&o.links, "links", 10_000, "how many links there are")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each contender")
	flag.DurationVar(&o.length, "length", 8*time.Second, "length of a round")
	flag.IntVar(&o.connections, "connections", 32, "keep-alive connections")
	flag.IntVar(&o.serverCore, "server-core", 0, "core of the server")
	flag.IntVar(&o.crowdCore, "crowd-core", 1, "core of wrk")
	flag.StringVar(&o.contenders, "contenders", "nginx,nginx-buffered,snowlink-spool,snowlink", "who takes part")
	flag.Parse()

	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "redirect:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "redirect")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	links := rig.Links(o.links)
	crowd, err := rig.NewCrowd(dir, o.crowdCore, o.connections, links)
	if err != nil {
		return err
	}
	var all []*contender
	defer func() {
		for _, c := range all {
			c.process.Stop()
		}
	}()
	for name := range strings.SplitSeq(o.contenders, ",") {
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
		c, err := start(ctx, name, own, o, links)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, c)
	}
	if err := compare(ctx, o, crowd, all); err != nil {
		return err
	}
	text := table(all, o)
	fmt.Println(text)
	if o.out == "" {
		return nil
	}
	versions := []string{rig.Version("go", "version"), rig.Version("nginx", "-v"), rig.Version("wrk", "-v")}
	return report.Write(o.out, "Redirects beside nginx", "benchmarks/redirect.sh "+strings.Join(os.Args[1:], " "), versions, text)
}
