package service

import (
	"context"
	"net"
	"time"

	"snowlink/infra/registry"
	"snowlink/web/api"
	"snowlink/web/gateway"
)

const apiWindow = 64 << 10 // bytes on their way in one direction of a connection in memory

// gatewaySet is the way from the edge to the api role: in one process the same registry, balancer and
// breaker as in a fleet, over a listener in memory.
type gatewaySet struct {
	gateway *gateway.Gateway
	client  *gateway.Client
	apis    *apiList
}

// openGateway makes the gateway that finds the api role on a list.
func (s *service) openGateway(ctx context.Context, list *registry.Registry) *gatewaySet {
	g := &gatewaySet{apis: &apiList{Watcher: list.Watch(apiService), remembered: s.stores.folder.rememberedAPIs()}}
	if err := g.apis.Look(ctx); err != nil {
		s.host.Logger.Warn("the coordination store does not answer; apis are looked for where they were last", "known", len(g.apis.remembered), "error", err)
	}
	dialer := &net.Dialer{Timeout: time.Second}
	g.gateway = gateway.New(gateway.Config{
		Services: map[string]gateway.Directory{apiService: g.apis},
		Secret:   s.clusterSecret(),
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			if address == memoryAddress && s.memory != nil {
				return s.memory.Dial()
			}
			return dialer.DialContext(ctx, "tcp", address)
		},
		BaseURL: s.base, Logger: s.host.Logger, Metrics: s.metrics,
	})
	g.client = g.gateway.Client(apiService)
	if s.secrets.id != "" {
		g.client.Belong(s.secrets.id)
	}
	return g
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
