package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"time"

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
	gateway *gateway.Gateway
	client  *gateway.Client
	watcher *registry.Watcher
}

// registryOf returns the registry of an installation: processes with another secret do not see each
// other.
func registryOf(c coordination, secret string) *registry.Registry {
	sum := sha256.Sum256([]byte(secret))
	return registry.New(c.client, registry.Config{Prefix: "registry:" + hex.EncodeToString(sum[:6])})
}

// registerAPI puts this process's api role on the list, at an address. That the list cannot be reached is
// no error: the heartbeats make up for it.
func (s *service) registerAPI(ctx context.Context, address string) {
	instance := registry.Instance{Service: apiService, ID: s.identity, Addr: address}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if r, err := s.registry.Register(ctx, instance); err == nil {
		s.registration.Store(r)
	} else {
		s.host.Logger.Warn("the api role is not registered yet", "error", err)
	}
}

// keepRegistered registers the api role if that has failed, and keeps it registered.
func (s *service) keepRegistered(ctx context.Context, address string) error {
	for ctx.Err() == nil {
		if r := s.registration.Load(); r != nil {
			return r.Run(ctx)
		}
		pause(ctx, time.Second)
		s.registerAPI(ctx, address)
	}
	return nil
}

// deregister takes the api role off the list.
func (s *service) deregister(ctx context.Context) error {
	if r := s.registration.Load(); r != nil {
		return r.Deregister(ctx)
	}
	return nil
}

// openGateway makes the gateway that finds the api role by the registry, or in memory.
func (s *service) openGateway(ctx context.Context) *gatewaySet {
	g := &gatewaySet{watcher: s.registry.Watch(apiService)}
	if err := g.watcher.Look(ctx); err != nil {
		s.host.Logger.Warn("nobody can be found yet: the coordination store does not answer", "error", err)
	}
	dialer := &net.Dialer{Timeout: time.Second}
	g.gateway = gateway.New(gateway.Config{
		Services: map[string]gateway.Directory{apiService: g.watcher},
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
