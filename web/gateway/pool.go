package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"snowlink/infra/balancer"
	"snowlink/infra/breaker"
	"snowlink/infra/registry"
)

// pool calls the instances of one service.
type pool struct {
	service   string
	directory Directory
	config    *Config
	balancer  *balancer.Balancer
	retries   *balancer.Budget
	calls     sync.WaitGroup // internal ones under way, also those that another was faster than

	mu        sync.Mutex
	known     []registry.Instance
	upstreams map[string]*upstream // by ID
}

func newPool(service string, directory Directory, config *Config) *pool {
	p := &pool{
		service: service, directory: directory, config: config,
		balancer: balancer.New(config.Balancer), retries: balancer.NewBudget(config.Retries),
		upstreams: map[string]*upstream{},
	}
	p.sync()
	return p
}

// sync takes over the list of instances if it is another than before. One that was restarted begins anew:
// what is known of the process before it says nothing about it.
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
		if u == nil || !u.same(i) {
			u = p.newUpstream(i)
		}
		upstreams[i.ID] = u
		members = append(members, balancer.Upstream{
			Name: i.ID, Addr: i.Addr, Generation: i.Generation, Weight: i.Weight, Ready: u.ready,
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

// all returns the instances there are now.
func (p *pool) all() []*upstream {
	p.sync()
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*upstream, 0, len(p.upstreams))
	for _, u := range p.upstreams {
		all = append(all, u)
	}
	return all
}

func (p *pool) close() {
	p.calls.Wait() // each has its deadline
	for _, u := range p.all() {
		u.client.CloseIdleConnections()
	}
}

// tried is a set of instances that were asked already, or are being asked. It is safe for concurrent use.
type tried struct {
	mu    sync.Mutex
	names []string
}

func (t *tried) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range t.names {
		if n == name {
			t.names = append(t.names[:i], t.names[i+1:]...)
			return
		}
	}
}

// call is leave to call an instance.
type call struct {
	*upstream
	picked balancer.Picked
	permit breaker.Permit
	start  time.Time
}

// pick chooses an instance that was not tried and whose breaker lets a call pass, and counts it as tried.
func (p *pool) pick(t *tried) (*call, error) {
	p.sync()
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		picked, err := p.balancer.Pick(t.names...)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", p.service, err)
		}
		t.names = append(t.names, picked.Name)
		p.mu.Lock()
		u := p.upstreams[picked.Name]
		p.mu.Unlock()
		if u != nil {
			if permit, err := u.breaker.Acquire(); err == nil {
				return &call{upstream: u, picked: picked, permit: permit, start: time.Now()}, nil
			}
		}
		picked.Done(0, context.Canceled)
	}
}

// done ends the call: fault is what the instance did wrong, and refusal what was wrong with its answer. The
// latter says nothing about whether it answers.
func (c *call) done(fault, refusal error) {
	c.permit.Done(fault)
	if fault == nil {
		c.heard()
		fault = refusal
	}
	c.picked.Done(time.Since(c.start), fault)
}
