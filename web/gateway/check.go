package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// checkEvery is how often instances are checked, and checkWait how long a check may take that
// is about more than life.
const (
	checkEvery = time.Second
	checkWait  = 3 * time.Second
)

// Run asks all instances again and again whether they live and whether they are ready, until ctx ends, and
// then returns nil. Without it, only calls that fail tell that an instance is to be left alone.
func (g *Gateway) Run(ctx context.Context) error {
	var checks sync.WaitGroup
	defer checks.Wait()
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		for _, p := range g.pools {
			for _, u := range p.all() {
				if !u.checking.Swap(true) {
					checks.Go(func() {
						defer u.checking.Store(false)
						p.check(u)
					})
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// check asks one instance. Any answer is a sign of life: what /readyz has to say may depend on others, for
// whom it waits. An instance that does not know the question is taken for ready.
func (p *pool) check(u *upstream) {
	u.owes.CompareAndSwap(0, time.Now().UnixNano())
	if _, err := u.ask("/livez", quiet); err != nil {
		if u.silence() >= quiet {
			p.balancer.SetHealthy(u.ID, false)
		}
		return
	}
	u.heard()
	if status, err := u.ask("/readyz", checkWait); err == nil {
		p.balancer.SetHealthy(u.ID, status != fasthttp.StatusServiceUnavailable)
	}
}

// ask makes a call that is about the instance itself.
func (u *upstream) ask(path string, timeout time.Duration) (status int, err error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + u.Service + path)
	req.SetTimeout(timeout)
	if err := u.client.Do(req, resp); err != nil {
		return 0, err
	}
	return resp.StatusCode(), resp.CloseBodyStream()
}
