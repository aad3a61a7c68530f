package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"snowlink/benchmarks/report"
	"snowlink/benchmarks/rig"
)

// A contender is a server under measurement and what its rounds gave.
type contender struct {
	name     string
	process  *rig.Process
	address  string
	snowlink *rig.Snowlink // nil for others
	drains   bool          // its clicks reach the click store

	cpu     report.Spread // µs of CPU an answer, while the crowd is there
	drained report.Spread // the same until every click is in the click store; snowlink only
	rate    report.Spread // answers a second
	parts   [3]float64    // answering, runtime, pipeline: µs of CPU an answer; snowlink only
}

func start(ctx context.Context, name, dir string, o options, links []rig.Link) (*contender, error) {
	c := &contender{name: name}
	var err error
	switch name {
	case "nginx":
		c.process, c.address, err = startNginx(ctx, dir, o.serverCore, links, "")
	case "nginx-buffered":
		c.process, c.address, err = startNginx(ctx, dir, o.serverCore, links, " buffer=64k flush=1s")
	case "snowlink", "snowlink-spool":
		var flags []string
		if c.drains = name == "snowlink"; !c.drains {
			flags, err = redisAway()
		}
		if err != nil {
			return nil, err
		}
		if c.snowlink, err = rig.StartSnowlink(ctx, o.binary, dir, o.serverCore, flags...); err != nil {
			return nil, err
		}
		c.process, c.address = c.snowlink.Process, c.snowlink.Address
		if err = c.snowlink.Make(ctx, links); err != nil {
			c.process.Stop()
		}
	default:
		err = fmt.Errorf("no such contender")
	}
	return c, err
}

// redisAway makes the queue of clicks a Redis that is not there: links are answered from memory and
// each click is in the spool, where it stays. What is left to measure is the redirect.
func redisAway() ([]string, error) {
	nobody, err := rig.FreeAddress()
	return []string{"--redis=away=redis://" + nobody}, err
}

// compare lets the contenders take turns, so that whatever the machine does befalls all of them.
func compare(ctx context.Context, o options, crowd *rig.Crowd, all []*contender) error {
	for _, c := range all {
		if _, err := c.round(ctx, crowd, 2*time.Second); err != nil { // to warm up
			return err
		}
		c.cpu, c.drained, c.rate = nil, nil, nil
	}
	for i := range o.rounds {
		for _, c := range all {
			if _, err := c.round(ctx, crowd, o.length); err != nil {
				return err
			}
			fmt.Printf("round %d: %-14s %5.1f µs %8.0f/s\n", i+1, c.name, c.cpu[i], c.rate[i])
		}
	}
	for _, c := range all {
		if c.drains {
			if err := c.dissect(ctx, crowd, o.length); err != nil {
				return err
			}
		}
	}
	return nil
}

// round measures one stretch of load. It returns the number of answers.
func (c *contender) round(ctx context.Context, crowd *rig.Crowd, d time.Duration) (int64, error) {
	var clicks int64
	if c.drains {
		var err error
		if clicks, err = c.snowlink.Clicks(ctx); err != nil {
			return 0, err
		}
	}
	before, err := c.process.CPU()
	if err != nil {
		return 0, err
	}
	requests, took, err := crowd.Run(ctx, c.address, d)
	if err != nil {
		return 0, err
	}
	after, err := c.process.CPU()
	if err != nil {
		return 0, err
	}
	c.cpu = append(c.cpu, micros(after-before, requests))
	c.rate = append(c.rate, float64(requests)/took.Seconds())
	if !c.drains {
		return requests, nil
	}
	if err := c.snowlink.AwaitClicks(ctx, clicks+requests); err != nil {
		return 0, err
	}
	if after, err = c.process.CPU(); err != nil {
		return 0, err
	}
	c.drained = append(c.drained, micros(after-before, requests))
	return requests, nil
}

// dissect spends one more round under a profiler. What the profile does not know of, threads that
// are not Go's, belongs to the click store.
func (c *contender) dissect(ctx context.Context, crowd *rig.Crowd, d time.Duration) error {
	type result struct {
		shares
		err error
	}
	taken := make(chan result, 1)
	go func() {
		s, err := profiled(ctx, c.snowlink.Admin, d)
		taken <- result{s, err}
	}()
	requests, err := c.round(ctx, crowd, d)
	r := <-taken
	if err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	last := len(c.cpu) - 1
	c.parts[0], c.parts[1] = micros(r.answering, requests), micros(r.runtime, requests)
	c.parts[2] = c.drained[last] - c.parts[0] - c.parts[1]
	c.cpu, c.drained, c.rate = c.cpu[:last], c.drained[:last], c.rate[:last]
	return nil
}

func micros(d time.Duration, requests int64) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(requests)
}

// table tells the medians, their spread and how they compare with the first contender's.
func table(all []*contender, o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, `%d links, %d keep-alive connections, the headers of a browser, a random link each time. The server has core %d to itself
and wrk core %d; contenders take turns, %d rounds of %v. CPU is user and system time of all threads and children
from /proc, divided by the answers: median (least – most). Pinned to one core, Go sets GOMAXPROCS to 1.

| | µs of CPU a redirect | beside %s | redirects/s, closed loop |
| --- | --- | --- | --- |
`, o.links, o.connections, o.serverCore, o.crowdCore, o.rounds, o.length, all[0].name)
	row := func(name string, cpu report.Spread, rate string) {
		fmt.Fprintf(&b, "| %s | %s | %.2f× | %s |\n", name, cpu, cpu.Median()/all[0].cpu.Median(), rate)
	}
	for _, c := range all {
		rate := fmt.Sprintf("%.0f", c.rate.Median())
		if c.snowlink == nil {
			row(c.name+", map and access log", c.cpu, rate)
			continue
		}
		if !c.drains {
			row("snowlink, the redirect, its click in the spool (where it stays: no Redis to send it to)", c.cpu, rate)
			continue
		}
		row("snowlink, the whole process while redirects are answered", c.cpu, rate)
		row("snowlink, until every click is in the click store", c.drained, "")
		fmt.Fprintf(&b, "\nOf one more round under the profiler: %.1f µs answering (the click's append included), %.1f µs Go's scheduler, poller\n"+
			"and garbage collector, %.1f µs the click pipeline and its store.\n", c.parts[0], c.parts[1], c.parts[2])
	}
	return b.String()
}
