package main

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"snowlink/benchmarks/rig"
)

// slowed is how long others waited, and how many of the slow were closed.
type slowed struct {
	alone, beside time.Duration // p99
	closed        int64
}

func measureSlow(ctx context.Context, edge *rig.Snowlink, o options, links []rig.Link) (s slowed, err error) {
	if s.alone, err = others(ctx, edge.Address, o.length, links); err != nil {
		return s, err
	}
	var closed atomic.Int64
	var senders sync.WaitGroup
	for i := range o.slow {
		c, err := net.Dial("tcp", edge.Address)
		if err != nil {
			return s, err
		}
		senders.Go(func() {
			if dribble(c, requestFor(links[i%len(links)])) {
				closed.Add(1)
			}
		})
	}
	if s.beside, err = others(ctx, edge.Address, o.length, links); err != nil {
		return s, err
	}
	senders.Wait()
	s.closed = closed.Load()
	return s, nil
}

// dribble sends a byte a second and reports whether the connection was closed meanwhile.
func dribble(c net.Conn, request string) bool {
	defer c.Close()
	deadline := time.Now().Add(closedWithin)
	answer := make([]byte, 1<<10)
	for i := 0; time.Now().Before(deadline); i = (i + 1) % (len(request) - 4) { // never to its end
		if _, err := c.Write([]byte{request[i]}); err != nil {
			return true
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(answer); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return true // told so, or closed
		}
	}
	return false
}

// others asks for links at a fixed rate, and returns the p99 of how long each took from when it was due.
func others(ctx context.Context, address string, d time.Duration, links []rig.Link) (time.Duration, error) {
	const rate, connections = 300, 8
	var mu sync.Mutex
	var took []time.Duration
	var fault error
	var all sync.WaitGroup
	begin := time.Now().Add(10 * time.Millisecond)
	for k := range connections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return 0, err
		}
		all.Go(func() {
			defer c.Close()
			for i := k; ; i += connections {
				due := begin.Add(time.Duration(i) * time.Second / rate)
				if due.Sub(begin) > d || ctx.Err() != nil {
					return
				}
				time.Sleep(time.Until(due))
				err := visit(c, links[i%len(links)])
				mu.Lock()
				took = append(took, time.Since(due))
				if err != nil {
					fault = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	if fault != nil || ctx.Err() != nil {
		return 0, errors.Join(fault, ctx.Err())
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}
