package edge

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	lingerFor   = 2 * time.Second
	lingerBytes = 32 << 20
)

// lingerListener accepts connections that can linger.
type lingerListener struct{ net.Listener }

func (l lingerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingerConn{Conn: c}, nil
}

// lingerConn can be closed in such a way that the last answer arrives. A connection that is closed
// while the client still sends is reset, and the reset overtakes an answer the client has not read: so
// only the sending side is closed, and what arrives is thrown away, for a bounded time.
type lingerConn struct {
	net.Conn
	lingers atomic.Bool
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
