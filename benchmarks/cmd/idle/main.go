// Command idle measures what connections cost that do nothing, or next to nothing: the memory of an edge with
// thousands of idle ones, and how long others wait while thousands send a byte a second.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"snowlink/benchmarks/report"
	"snowlink/benchmarks/rig"
)

type options struct {
	binary string
	out    string
	idle   int
	slow   int
	length time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "../bin/snowlink", "the snowlink to measure")
	flag.StringVar(&o.out, "out", "RESULTS.md", "file to keep the figures in; empty for none")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections")
	flag.IntVar(&o.slow, "slow", 2_000, "connections that send a byte of their header a second")
	flag.DurationVar(&o.length, "length", 20*time.Second, "for which others are timed, without the slow ones and with them")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

// closedWithin is the edge's time for a whole request, and a little.
const closedWithin = 70 * time.Second

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := checkFiles(max(o.idle, o.slow) + 200); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	edge, err := rig.StartSnowlink(ctx, o.binary, dir, -1)
	if err != nil {
		return err
	}
	defer edge.Stop()
	links := rig.Links(100)
	if err := edge.Make(ctx, links); err != nil {
		return err
	}
	memory, err := measureIdle(edge, o.idle, links)
	if err != nil {
		return err
	}
	slowed, err := measureSlow(ctx, edge, o, links)
	if err != nil {
		return err
	}
	text := table(o, memory, slowed)
	fmt.Println(text)
	if o.out == "" {
		return nil
	}
	return report.Write(o.out, "Idle and slow connections", "benchmarks/idle.sh "+strings.Join(os.Args[1:], " "), []string{rig.Version("go", "version")}, text)
}

// checkFiles makes sure that this process, and so the one it starts, may open so many files.
func checkFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < uint64(n) {
		return fmt.Errorf("%d open files are needed, and %d are allowed: run ulimit -n %d first", n, limit.Cur, n)
	}
	return nil
}

func table(o options, m memory, s slowed) string {
	return fmt.Sprintf(`An edge on embedded stores. Idle connections have made one request each, after as many requests by way of one connection. The slow
ones send a byte of their header a second, while 300 others a second ask for links on keep-alive connections: for %v without
the slow ones, and for %[1]v with them.

| | |
| --- | --- |
| %d idle connections | %.0f MiB, %.1f KiB each |
| p99 of others without slow senders | %.2f ms |
| p99 of others beside %d slow senders | %.2f ms, %.2f× |
| slow senders closed within %v | %d of %d |
`, o.length, o.idle, m.mib, m.mib*1024/float64(o.idle), s.alone.Seconds()*1e3, o.slow, s.beside.Seconds()*1e3,
		s.beside.Seconds()/s.alone.Seconds(), closedWithin, s.closed, o.slow)
}
