package edge

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	settleFor  = 500 * time.Millisecond // for the first request of a connection that was accepted last
	partingFor = 500 * time.Millisecond // for clients to close what was closed towards them
)

// open are the listeners and connections of an edge.
type open struct {
	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*lingerConn]struct{}
}

func (o *open) listen(ln net.Listener) net.Listener {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &lingerListener{Listener: ln, open: o}
	o.listeners = append(o.listeners, l)
	return l
}

func (o *open) add(c *lingerConn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conns == nil {
		o.conns = map[*lingerConn]struct{}{}
	}
	o.conns[c] = struct{}{}
}

func (o *open) remove(c *lingerConn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, c)
}

// refuse closes the listeners.
func (o *open) refuse() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ln := range o.listeners {
		_ = ln.Close()
	}
}

// idle reports whether any connection waits for a request.
func (o *open) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		if c.phase.Load() != busy {
			return true
		}
	}
	return false
}

// part closes each connection that waits for a request towards its client, which sees that before it sends
// another, and returns whether there were any.
func (o *open) part() (some bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		if c.phase.CompareAndSwap(waiting, parted) {
			c.halve()
		}
		some = some || c.phase.Load() == parted
	}
	return some
}

// cut closes what was parted from and is still there.
func (o *open) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		if c.phase.Load() == parted {
			_ = c.Conn.Close()
		}
	}
}

// drain lets every client go without a request lost. For delay it accepts as before and answers each request
// with Connection: close, so that who sends often comes to a connection that nobody is going to
// close under it. Connections that are idle after that are closed on the side that sends: a client sees
// the end of the stream, and not a reset, even if it sends in that moment, and such a request has not been begun.
func (e *Edge) drain(ctx context.Context, delay time.Duration) {
	e.draining.Store(true)
	until(ctx, delay, func() bool { return false })
	e.open.refuse()
	until(ctx, settleFor, func() bool { return !e.open.idle() })
	until(ctx, partingFor, func() bool { return !e.open.part() })
	e.open.cut()
}

// until returns when done says so, when limit is over, or with ctx.
func until(ctx context.Context, limit time.Duration, done func() bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil && !done() {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// noteState keeps what the server does with a connection, for the drain.
func noteState(conn net.Conn, state fasthttp.ConnState) {
	c, ok := conn.(*lingerConn)
	if !ok {
		return
	}
	switch state {
	case fasthttp.StateActive:
		c.phase.CompareAndSwap(waiting, busy)
	case fasthttp.StateIdle:
		c.phase.CompareAndSwap(busy, waiting)
	}
}
