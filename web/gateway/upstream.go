package gateway

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/infra/breaker"
	"snowlink/infra/registry"
)

// upstream is one instance, from when it was started to its end, with its connections and its breaker.
type upstream struct {
	registry.Instance
	client   *fasthttp.HostClient
	breaker  *breaker.Breaker
	owes     atomic.Int64 // since when, in Unix nanoseconds, a check was not answered; 0: it was
	checking atomic.Bool
}

// quiet is how long an instance may owe any answer before it is taken for dead: nothing is sent to it then,
// and what waits for it and may be asked elsewhere is. Writes are more patient, who cannot.
const (
	quiet      = time.Second
	quietWrite = 5 * time.Second
)

// silence returns for how long the instance has owed an answer.
func (u *upstream) silence() time.Duration {
	since := u.owes.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(time.Now().UnixNano() - since)
}

// heard is called whenever the instance has answered anything.
func (u *upstream) heard() {
	if u.owes.Load() != 0 {
		u.owes.Store(0)
	}
}

func (u *upstream) ready() bool { return u.breaker.State() != breaker.Open && u.silence() < quiet }

// same reports whether i is the very start of the instance that u is.
func (u *upstream) same(i registry.Instance) bool {
	return u.ID == i.ID && u.Addr == i.Addr && u.Generation == i.Generation
}

func (p *pool) newUpstream(i registry.Instance) *upstream {
	u := &upstream{Instance: i, breaker: breaker.New(p.service+" "+i.ID, p.config.Breaker)}
	u.client = &fasthttp.HostClient{
		Addr: i.Addr,
		DialTimeout: func(addr string, timeout time.Duration) (net.Conn, error) {
			return p.dial(u, addr, timeout)
		},
		MaxConns:                  4096,
		MaxIdleConnDuration:       15 * time.Second, // well before the instance closes it
		MaxIdemponentCallAttempts: 1,                // other tries go to other instances
		StreamResponseBody:        true,
		DisablePathNormalizing:    true,
		NoDefaultUserAgentHeader:  true,
		ReadBufferSize:            16 << 10,
	}
	return u
}

// dial makes a connection, in the time that its request has left and no more than Connect.
func (p *pool) dial(u *upstream, addr string, timeout time.Duration) (net.Conn, error) {
	if timeout <= 0 || timeout > p.config.Connect {
		timeout = p.config.Connect
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c, err := p.config.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	return &conn{Conn: c, of: u, idle: p.config.Idle}, nil
}
