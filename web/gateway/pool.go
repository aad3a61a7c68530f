package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"snowlink/infra/balancer"
	"snowlink/infra/breaker"
	"snowlink/infra/registry"
)

// maxTries bounds how often one request is tried.
const maxTries = 4

// errStale is of a connection that was closed while it lay idle; errDial of one that could not be made.
var (
	errStale = errors.New("connection was closed while idle")
	errDial  = errors.New("dial")
)

// sentError is of a request that was sent, at least in part, and not answered.
type sentError struct{ err error }

func (e *sentError) Error() string { return "sent, not answered: " + e.err.Error() }
func (e *sentError) Unwrap() error { return e.err }

// pool calls the instances of one service.
type pool struct {
	service   string
	directory Directory
	config    *Config
	balancer  *balancer.Balancer

	mu        sync.Mutex
	known     []registry.Instance
	upstreams map[string]*upstream // by ID
}

// upstream is one instance, with its connections and its breaker.
type upstream struct {
	addr    string
	client  *fasthttp.HostClient
	breaker *breaker.Breaker
}

func newPool(service string, directory Directory, config *Config) *pool {
	p := &pool{
		service: service, directory: directory, config: config, balancer: balancer.New(config.Balancer),
		upstreams: map[string]*upstream{},
	}
	p.sync()
	return p
}

// sync takes over the list of instances if it is another than before.
func (p *pool) sync() {
	list := p.directory.Instances()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(list) == len(p.known) && unsafe.SliceData(list) == unsafe.SliceData(p.known) {
		return
	}
	upstreams := make(map[string]*upstream, len(list))
	members := make([]balancer.Upstream, 0, len(list))
	for _, i := range list {
		u := p.upstreams[i.ID]
		if u == nil || u.addr != i.Addr {
			u = p.newUpstream(i)
		}
		upstreams[i.ID] = u
		members = append(members, balancer.Upstream{
			Name: i.ID, Addr: i.Addr, Weight: i.Weight, Ready: func() bool { return u.breaker.State() != breaker.Open },
		})
	}
	for id, u := range p.upstreams {
		if upstreams[id] != u {
			u.client.CloseIdleConnections()
		}
	}
	p.known, p.upstreams = list, upstreams
	p.balancer.Set(members)
}

func (p *pool) newUpstream(i registry.Instance) *upstream {
	return &upstream{
		addr:    i.Addr,
		breaker: breaker.New(p.service+" "+i.ID, p.config.Breaker),
		client: &fasthttp.HostClient{
			Addr:                      i.Addr,
			Dial:                      p.dial,
			MaxConns:                  4096,
			MaxIdleConnDuration:       15 * time.Second, // well before the instance closes it
			MaxIdemponentCallAttempts: 1,                // other tries go to other instances
			StreamResponseBody:        true,
			DisablePathNormalizing:    true,
			NoDefaultUserAgentHeader:  true,
			ReadBufferSize:            16 << 10,
		},
	}
}

func (p *pool) dial(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := p.config.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	return &conn{Conn: c, idle: p.config.Idle}, nil
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.upstreams {
		u.client.CloseIdleConnections()
	}
}

// call is leave to call an instance.
type call struct {
	*upstream
	name   string
	picked balancer.Picked
	permit breaker.Permit
	start  time.Time
}

// pick chooses an instance that was not tried and whose breaker lets a call pass.
func (p *pool) pick(tried []string) (*call, error) {
	p.sync()
	for {
		picked, err := p.balancer.Pick(tried...)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", p.service, err)
		}
		p.mu.Lock()
		u := p.upstreams[picked.Name]
		p.mu.Unlock()
		if u != nil {
			permit, err := u.breaker.Acquire()
			if err == nil {
				return &call{upstream: u, name: picked.Name, picked: picked, permit: permit, start: time.Now()}, nil
			}
		}
		picked.Done(0, context.Canceled)
		tried = append(tried, picked.Name)
	}
}

func (c *call) done(err error) {
	c.permit.Done(err)
	c.picked.Done(time.Since(c.start), err)
}

// patience is how long a call may take: all tries together, and each. 0 is for ever.
type patience struct{ total, try time.Duration }

// believe accepts every answer.
func believe(*fasthttp.Response) error { return nil }

// do sends req to an instance, and to others if that is harmless. An answer that is not accepted counts as
// none. The error is a *sentError if the request may have been acted upon.
func (p *pool) do(req *fasthttp.Request, resp *fasthttp.Response, body *requestBody, limit patience, accept func(*fasthttp.Response) error) error {
	deadline := time.Now().Add(limit.total)
	harmless := req.Header.IsGet() || req.Header.IsHead()
	var tried []string
	var failed error
	for range maxTries {
		c, err := p.pick(tried)
		if err != nil {
			return errors.Join(failed, err)
		}
		if limit.total > 0 {
			req.SetTimeout(max(1, min(limit.try, time.Until(deadline))))
		}
		if err = c.client.Do(req, resp); err == nil {
			err = accept(resp)
		}
		if err == nil || body.failed() {
			c.done(clientFault(err))
			return err
		}
		if errors.Is(err, errStale) { // it restarted, perhaps: a new connection will tell
			c.done(context.Canceled)
			c.client.CloseIdleConnections()
		} else {
			c.done(err)
			tried = append(tried, c.name)
		}
		failed = fmt.Errorf("call %s %s: %w", p.service, c.name, err)
		if !wasUnsent(err) {
			failed = &sentError{failed}
			if !harmless {
				return failed
			}
		}
		if limit.total > 0 && time.Until(deadline) <= 0 || !body.rewind(req) {
			return failed
		}
	}
	return failed
}

// wasUnsent reports whether the request cannot have reached the instance.
func wasUnsent(err error) bool {
	return errors.Is(err, errDial) || errors.Is(err, errStale) || errors.Is(err, fasthttp.ErrNoFreeConns)
}

// clientFault is what an error that the client's body has caused says about the instance: nothing.
func clientFault(err error) error {
	if err != nil {
		return context.Canceled
	}
	return nil
}
