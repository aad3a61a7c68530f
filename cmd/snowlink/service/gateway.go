package service

import (
	"context"
	"fmt"
	"net"
	"time"

	"snowlink/infra/memnet"
	"snowlink/infra/registry"
	"snowlink/web/api"
	"snowlink/web/gateway"
)

// The api role of this process as the registry knows it. Its address leads into memory.
const (
	apiService    = "api"
	memoryAddress = "memory"
	apiWindow     = 64 << 10 // bytes on their way in one direction of a connection in memory
)

// gatewaySet is the way from the edge to the api role: in one process the same registry, balancer and
// breaker as in a fleet, over a listener in memory.
type gatewaySet struct {
	gateway      *gateway.Gateway
	client       *gateway.Client
	listener     *memnet.Listener
	registration *registry.Registration
	watcher      *registry.Watcher
}

// openGateway registers this process's api role and makes the gateway that finds it.
func (s *service) openGateway(ctx context.Context) (*gatewaySet, error) {
	g := &gatewaySet{listener: memnet.Listen(apiWindow)}
	known := registry.New(s.shards.coordination, registry.Config{})
	var err error
	g.registration, err = known.Register(ctx, registry.Instance{Service: apiService, ID: s.secrets.id, Addr: memoryAddress})
	if err != nil {
		return nil, fmt.Errorf("register the api role: %w", err)
	}
	g.watcher = known.Watch(apiService)
	if err := g.watcher.Look(ctx); err != nil {
		return nil, fmt.Errorf("look the api role up: %w", err)
	}
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	g.gateway = gateway.New(gateway.Config{
		Services: map[string]gateway.Directory{apiService: g.watcher},
		Secret:   s.secrets.cluster,
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			if address == memoryAddress {
				return g.listener.Dial()
			}
			return dialer.DialContext(ctx, "tcp", address)
		},
		BaseURL: s.base, Logger: s.host.Logger, Metrics: s.metrics,
	})
	g.client = g.gateway.Client(apiService)
	return g, nil
}

// run starts what keeps the instance registered and the list of instances fresh.
func (g *gatewaySet) run(l *loops) {
	l.start("registration of the api role", g.registration.Run)
	l.start("watch of the api role", g.watcher.Run)
}

// apiAudit is the auditor as the api asks it.
type apiAudit struct{ auditor }

func (a apiAudit) VerifyEvents(ctx context.Context) (api.Report, error) {
	r, err := a.auditor.VerifyEvents(ctx, nothingToShow)
	return api.Report(r), err
}

func (a apiAudit) ReplayEvents(ctx context.Context) (api.Report, error) {
	r, err := a.auditor.ReplayEvents(ctx, nothingToShow)
	return api.Report(r), err
}

func (a apiAudit) VerifyClicks(ctx context.Context) (api.Report, error) {
	r, err := a.auditor.VerifyClicks(ctx, nothingToShow)
	return api.Report(r), err
}

func nothingToShow(int64, int64) {}
