package service

import (
	"context"
	"fmt"
	"net/url"

	"snowlink/shortener"
)

// joinLinks makes the commands on links.
func (s *service) joinLinks(ctx context.Context) error {
	var newest int64
	err := s.await(ctx, s.theTruth(), func(ctx context.Context) (err error) {
		newest, err = s.stores.events.NewestID(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the newest link: %w", err)
	}
	if err := s.openCodes(ctx, newest); err != nil {
		return err
	}
	s.links = shortener.NewService(shortener.ServiceConfig{
		Log: s.stores.events, View: view{s.shards.links, s.linkChanged}, Codes: s.codes, Targets: shortener.NewTargets(s.ownHosts()),
		Domains: s.cfg.Domains, DefaultDomain: s.defaultDomain(), Logger: s.host.Logger,
	})
	return nil
}

// openCodes makes the generator of codes. That there is no number for it yet is no error.
func (s *service) openCodes(ctx context.Context, newest int64) error {
	s.codes = &nodeCodes{
		client: s.coordination.client, prefix: nodePrefix + s.secrets.id, holder: s.identity, fixed: s.cfg.NodeID, key: s.secrets.codes, notBefore: newestTime(newest), log: s.host.Logger,
	}
	if s.cfg.NodeID >= 0 {
		return s.codes.fix(ctx)
	}
	if _, err := s.codes.lease(ctx); err != nil {
		s.host.Logger.Warn("no links can be made until a node number is leased", "error", err)
	}
	return nil
}

// linkChanged drops what the edge of this process has in memory of a link.
func (s *service) linkChanged(ref shortener.Ref) {
	if edge := s.serving.Load(); edge != nil {
		edge.Invalidate(ref)
	}
}

// forget has the edge of this process ask again for everything that it has in memory.
func (s *service) forget() {
	if edge := s.serving.Load(); edge != nil {
		edge.ExpireAll()
	}
}

// defaultDomain is the host of the base URL, with its port if it has one.
func (s *service) defaultDomain() string {
	u, err := url.Parse(s.base)
	if err != nil {
		return ""
	}
	return u.Host
}

// ownHosts are the hosts at which this service may be reached, and which links must not lead to.
func (s *service) ownHosts() []string {
	hosts := append([]string{s.defaultDomain()}, s.cfg.Domains...)
	for _, address := range []string{s.cfg.Listen, s.cfg.APIListen, s.cfg.AdminListen, s.cfg.Advertise} {
		if address != "" {
			hosts = append(hosts, reachable(address))
		}
	}
	return hosts
}
