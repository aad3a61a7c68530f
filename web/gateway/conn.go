package gateway

import (
	"bytes"
	"errors"
	"net"
	"time"
)

// conn is a connection to an instance. It bounds the silence between two reads, whatever else bounds the
// whole; it notices before it is used again that the other side has closed it; it reads an answer that
// was given before all of the request was sent; and it stops waiting for an instance that answers nobody.
type conn struct {
	net.Conn
	of       *upstream
	idle     time.Duration
	deadline time.Time // of the request, zero: none
	asking   bool      // something was written since the last read
	harmless bool      // what was written may be asked elsewhere
	resting  bool      // an answer was read since the last write
	deaf     bool      // the other side takes no more of the request
}

// glance is how often someone who waits for an answer looks whether others get theirs.
const glance = 250 * time.Millisecond

// SetReadDeadline bounds the reads of one request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	end := time.Now().Add(c.idle)
	if !c.deadline.IsZero() && c.deadline.Before(end) {
		end = c.deadline
	}
	for {
		d := end
		if next := time.Now().Add(glance); c.asking && next.Before(end) {
			d = next
		}
		if err := c.Conn.SetReadDeadline(d); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 {
			c.asking, c.resting = false, true
		}
		if n > 0 || !d.Before(end) || !timedOut(err) {
			return n, err
		}
		if c.of.silence() >= c.patience() {
			return 0, errQuiet
		}
	}
}

// patience is for how long the instance may answer nobody.
func (c *conn) patience() time.Duration {
	if c.harmless {
		return quiet
	}
	return quietWrite
}

func timedOut(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// Write sends p. An instance that refuses a request early (no key, body too large) answers and closes;
// what it no longer takes is dropped here, so that the answer is read rather than lost.
func (c *conn) Write(p []byte) (int, error) {
	if c.resting {
		if c.deaf || hasEnded(c.Conn) {
			return 0, errStale
		}
		c.resting = false
	}
	if !c.asking {
		c.asking, c.harmless = true, bytes.HasPrefix(p, []byte("GET ")) || bytes.HasPrefix(p, []byte("HEAD "))
	}
	if c.deaf {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	if timedOut(err) {
		return n, err
	}
	c.deaf = true
	return len(p), nil
}
