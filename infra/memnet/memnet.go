// Package memnet is a network within the process: connections and listeners in memory, for servers
// and clients that speak a protocol to each other without a port.
//
// Connections behave as TCP's do where servers rely on it: deadlines may be moved at any time from any
// goroutine and wake whoever waits, what was written before a Close can still be read, and a writer
// whose peer has closed is told so rather than left waiting.
package memnet

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Pipe returns the two ends of a connection. A write waits while its direction holds window bytes that
// are not read yet. With window 0 it never waits, which keeps two ends that both write much before
// they read from waiting for each other; a reader who stays away for too long is then cut off.
func Pipe(window int) (a, b net.Conn) {
	up, down := newStream(window), newStream(window)
	return &conn{in: down, out: up}, &conn{in: up, out: down}
}

// conn is one end. Like any connection it serves one reader and one writer at a time.
type conn struct{ in, out *stream }

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. What was written can still be read.
func (c *conn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *conn) LocalAddr() net.Addr                { return address{} }
func (c *conn) RemoteAddr() net.Addr               { return address{} }
func (c *conn) SetReadDeadline(t time.Time) error  { c.in.setReadDeadline(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.setWriteDeadline(t); return nil }

func (c *conn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }

// Listener accepts what is dialled by Dial.
type Listener struct {
	window int
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener whose connections have that window, as of Pipe.
func Listen(window int) *Listener {
	return &Listener{window: window, dialed: make(chan net.Conn), closed: make(chan struct{})}
}

// errRefused is what a dialer gets whose listener has closed.
var errRefused = errors.New("memnet: connection refused")

// Dial returns a new connection to whoever accepts. It waits for an Accept.
func (l *Listener) Dial() (net.Conn, error) {
	client, server := Pipe(l.window)
	select {
	case l.dialed <- server:
		return client, nil
	case <-l.closed:
		return nil, errRefused
	}
}

// Accept returns the next connection; net.ErrClosed once the listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial. Connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address of the network "memory".
func (l *Listener) Addr() net.Addr { return address{} }
