package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/geo"
	"snowlink/shortener"
	"snowlink/web/api"
	"snowlink/web/dashboard"
	"snowlink/web/edge"
)

// joinAPI makes the api role.
func (s *service) joinAPI(context.Context) error {
	handler := api.New(api.Config{
		Links: s.links, List: s.stores.events, Clicks: s.stores.clicks, Keys: s.stores.events, Salts: s.stores.events,
		Audit: apiAudit{auditor{events: s.stores.events, clicks: s.stores.clicks}}, Pending: s.pendingClicks,
		BaseURL: s.base, DefaultDomain: s.defaultDomain(), CursorKey: s.secrets.cursors, ClusterSecret: s.clusterSecret(),
		Installation: s.secrets.id, Membership: s.membershipBody(), Shards: s.shardKeeper(), Locks: lockList{s.coordination.client, s.installation},
		Limits: api.Limits{
			KeyRate: rateOf(s.cfg.LimitKey), KeyBurst: burstOf(s.cfg.LimitKey),
			WrongKeyRate: rateOf(s.cfg.LimitWrongKeys), WrongKeyBurst: burstOf(s.cfg.LimitWrongKeys),
		},
		Calls: s.limits.calls, OwnCalls: s.limits.ownCalls, WrongKeys: s.limits.wrongKeys,
		Logger: s.host.Logger, Metrics: s.metrics,
	})
	pages, err := dashboard.New(dashboard.Config{API: handler, BaseURL: s.base, SessionKey: s.secrets.session, Logger: s.host.Logger})
	if err != nil {
		return err
	}
	s.api = &http.Server{Handler: screensBeside(handler, pages), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.endStreams = handler.EndStreams
	return nil
}

// screensBeside hands the dashboard what is its own, and the REST interface all else, as it was sent: a ServeMux
// would put paths right.
func screensBeside(rest, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app" || strings.HasPrefix(r.URL.Path, "/app/") {
			pages.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// joinEdge makes the gateway and the edge.
func (s *service) joinEdge(context.Context) (err error) {
	if s.cfg.GeoDB != "" {
		if s.places, err = geo.Open(s.cfg.GeoDB); err != nil {
			return fmt.Errorf("--geo-db: %w", err)
		}
	}
	domains := map[string]string{}
	for _, d := range s.cfg.Domains { // under the name that browsers send, which is the one links have
		if host := shortener.CanonicalHost(d); host != shortener.CanonicalHost(s.defaultDomain()) { // that may be named too
			domains[host] = host
		}
	}
	s.edge, err = edge.New(edge.Config{
		Shards: recordReader{s.shards.links}, Resolver: s.gateway.client, Spool: s.stores.spool, Salts: s.gateway.client,
		Geo: s.geo(), Gateway: s.gateway.gateway.Handler, BaseURL: s.base, Domains: domains,
		TrustedProxies: s.cfg.TrustedProxies, LogEvery: uint64(s.cfg.EdgeLogSample),
		Cache:   edge.Cache{MaxBytes: s.cfg.CacheBytes},
		Limits:  edge.Limits{UnknownRate: rateOf(s.cfg.LimitUnknown), UnknownBurst: float64(burstOf(s.cfg.LimitUnknown)), DrainDelay: s.cfg.DrainDelay},
		Unknown: s.limits.unknown,
		Logger:  s.host.Logger, Metrics: s.metrics,
	})
	s.serving.Store(s.edge)
	return err
}

// run starts every loop and listener of the roles.
func (s *service) run(ln listeners) {
	b := s.background
	s.public = ln.public
	s.shards.run(b, s.linkChanged, s.forget)
	s.observeMembership()
	if s.shards.follower != nil {
		b.start("vitals", s.processes.run)
		b.start("list of processes", s.processes.watcher.Run)
	}
	s.limits.run(b)
	if s.cfg.Plays(config.Worker) {
		s.runWorkers()
		s.runShardWork()
	}
	if s.cfg.Plays(config.Edge) {
		s.runEdge()
	}
	s.health.started(s.checks)
	if s.cfg.Plays(config.API) {
		s.runAPI(ln)
	}
	if s.cfg.Plays(config.Edge) {
		b.start("public listener", func(context.Context) error { return s.edge.Serve(ln.public) })
	}
}

func (s *service) runEdge() {
	b := s.background
	if s.places != nil {
		b.start("geo database", s.places.Run)
	}
	b.start("watch of the api role", s.gateway.apis.Run)
	if s.cfg.Split() {
		b.start("list of apis", func(ctx context.Context) error {
			return s.stores.folder.keepAPIs(ctx, s.gateway.apis.Watcher, s.host.Logger)
		})
	}
	s.runEdgeClicks()
}

// runAPI serves first and registers then: who is found is there.
func (s *service) runAPI(ln listeners) {
	b := s.background
	b.start("node lease", s.codes.run)
	if s.memory != nil {
		b.start("api", serve(s.api, s.memory))
	}
	if ln.api != nil {
		b.start("api listener", serve(s.api, ln.api))
	}
	for _, r := range s.registrars {
		if r.current.Load() == nil {
			r.register(context.Background())
		}
		b.start("registration of the api role", r.run)
	}
}

// deregister takes the api role off every list, and gives those who have seen it there the time to look
// again: they go on to send calls until they do.
func (s *service) deregister(ctx context.Context) error {
	const notice = 1500 * time.Millisecond // more than the time between two looks
	var faults []error
	for _, r := range s.registrars {
		faults = append(faults, r.leave(ctx))
	}
	if s.cfg.Split() && len(s.registrars) > 0 {
		pause(ctx, notice)
	}
	return errors.Join(faults...)
}

// serve returns a loop that ends when server is shut down.
func serve(server *http.Server, ln net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
