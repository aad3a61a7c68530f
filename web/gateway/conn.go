package gateway

import (
	"errors"
	"net"
	"time"
)

// conn is a connection to an instance. It bounds the silence between two reads, whatever else bounds the
// whole; it notices before it is used again that the other side has closed it; and it reads an answer
// that was given before all of the request was sent.
type conn struct {
	net.Conn
	idle     time.Duration
	deadline time.Time // of the request, zero: none
	resting  bool      // an answer was read since the last write
	deaf     bool      // the other side takes no more of the request
}

// SetReadDeadline bounds the reads of one request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	d := time.Now().Add(c.idle)
	if !c.deadline.IsZero() && c.deadline.Before(d) {
		d = c.deadline
	}
	if err := c.Conn.SetReadDeadline(d); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.resting = c.resting || n > 0
	return n, err
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
	if c.deaf {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return n, err
	}
	c.deaf = true
	return len(p), nil
}
