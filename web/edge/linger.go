package edge

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	lingerFor   = 2 * time.Second
	lingerBytes = 32 << 20
)

// lingerListener accepts connections that can linger, and that a drain knows of.
type lingerListener struct {
	net.Listener
	open   *open
	closed sync.Once
}

// Close does nothing but once: the drain closes before the server does.
func (l *lingerListener) Close() (err error) {
	l.closed.Do(func() { err = l.Listener.Close() })
	return err
}

func (l *lingerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &lingerConn{Conn: c, open: l.open}
	l.open.add(conn)
	return conn, nil
}

// Phases of a connection.
const (
	waiting int32 = iota // for a request
	busy                 // with one
	parted               // closed towards the client: no request is begun any more
)

// lingerConn can be closed in such a way that the last answer arrives. A connection that is closed
// while the client still sends is reset, and the reset overtakes an answer the client has not read: so
// only the sending side is closed, and what arrives is thrown away, for a bounded time.
type lingerConn struct {
	net.Conn
	lingers atomic.Bool
	phase   atomic.Int32
	open    *open
}

// Read begins a request if none is under way. Of a connection that was parted from, what arrives is thrown away.
func (c *lingerConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.phase.CompareAndSwap(waiting, busy)
		}
		if c.phase.Load() != parted || err != nil {
			return n, err
		}
	}
}

// halve closes the connection towards the client.
func (c *lingerConn) halve() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// linger makes the connection of ctx linger if it is closed after this response.
func linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*lingerConn); ok {
		c.lingers.Store(true)
	}
}

func (c *lingerConn) Close() error {
	if c.lingers.CompareAndSwap(true, false) {
		c.drain()
	}
	c.open.remove(c)
	return c.Conn.Close()
}

func (c *lingerConn) drain() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	deadline := time.Now().Add(lingerFor)
	if c.Conn.SetReadDeadline(deadline) != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for read := 0; read < lingerBytes && time.Now().Before(deadline); {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return
		}
		read += n
	}
}
