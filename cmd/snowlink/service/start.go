package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/geo"
	"snowlink/infra/memnet"
	"snowlink/infra/registry"
	"snowlink/shortener"
	"snowlink/shortener/dispatch"
	"snowlink/storage/linkshards"
	"snowlink/web/api"
	"snowlink/web/edge"
)

// service is everything that runs of the roles of this process: what belongs to another role is nil. It is
// made by start and taken down by stop.
type service struct {
	cfg      config.Config
	host     Host
	identity string // of this process, the same after a restart
	stores   *stores
	secrets  secrets
	base     string // base URL
	public   net.Listener
	metrics  *prometheus.Registry
	health   *health

	coordination coordination
	private      coordination // of one process that plays all roles: its registry
	registry     *registry.Registry
	registration atomic.Pointer[registry.Registration]
	shards       *shardSet
	memberships  memberships  // of the event store
	lag          atomic.Int64 // events that the projector has not looked at

	codes      *nodeCodes
	links      *shortener.Service
	dispatcher *dispatch.Dispatcher
	places     *geo.DB // nil: none is configured
	gateway    *gatewaySet
	memory     *memnet.Listener // the api role, for the edge of the same process
	edge       *edge.Edge
	api        *http.Server
	admin      *http.Server

	sending    *loops // what brings clicks from the edge to the queue
	background *loops // everything else that runs beside the listeners
	failed     chan error
}

// listeners are opened before anything else is done, so that a port in use costs nothing.
type listeners struct{ public, admin, api net.Listener }

func (l listeners) Close() {
	for _, ln := range []net.Listener{l.public, l.admin, l.api} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

func openListeners(cfg config.Config) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if cfg.Plays(config.Edge) {
		if l.public, err = listen("listen", cfg.Listen); err != nil {
			return l, err
		}
	}
	if l.admin, err = listen("admin-listen", cfg.AdminListen); err != nil {
		return l, err
	}
	if cfg.Plays(config.API) && cfg.APIListen != "" {
		l.api, err = listen("api-listen", cfg.APIListen)
	}
	return l, err
}

// guessable is the length below which a configured key is warned of.
const guessable = 24

// start opens, joins and runs everything. After an error nothing is left running or open.
func start(ctx context.Context, cfg config.Config, host Host) (_ *service, err error) {
	ln, err := openListeners(cfg)
	if err != nil {
		return nil, err
	}
	s := &service{cfg: cfg, host: host, metrics: prometheus.NewRegistry(), failed: make(chan error, 8)}
	s.sending, s.background = newLoops(s.failed, host.Logger), newLoops(s.failed, host.Logger)
	defer func() {
		if err != nil {
			ln.Close()
			err = errors.Join(err, s.abandon())
		}
	}()
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.base = baseURL(cfg, ln.public)
	if err = s.open(ctx); err != nil {
		return nil, err
	}
	for _, one := range []struct {
		role string
		join func(context.Context) error
	}{
		{config.API, s.joinLinks},
		{config.Edge, s.joinClicks},
		{config.API, s.joinAPI},
		{config.Edge, s.joinEdge},
	} {
		if cfg.Plays(one.role) {
			if err = one.join(ctx); err != nil {
				return nil, err
			}
		}
	}
	made := ""
	if cfg.Plays(config.API) {
		if made, err = ensureOwner(ctx, s.stores.events, cfg, time.Now()); err != nil {
			return nil, fmt.Errorf("make the owner key: %w", err)
		}
		if n := len(cfg.AdminKey); n > 0 && n < guessable {
			host.Logger.Warn("the configured owner key is short enough to be guessed", "characters", n, "want", guessable)
		}
	}
	s.run(ln)
	s.greet(ln, made)
	return s, nil
}

// open opens the stores, and finds the shards and the other processes.
func (s *service) open(ctx context.Context) (err error) {
	waiting, enough := s.host.untilStopped(ctx)
	defer enough()
	if s.stores, err = openStores(waiting, s.cfg, s.host.Logger); err != nil {
		return err
	}
	if s.identity, err = s.stores.folder.identity(); err != nil {
		return err
	}
	if s.stores.events != nil {
		if s.secrets, err = readSecrets(ctx, s.stores.events); err != nil {
			return err
		}
	}
	if s.coordination, err = openCoordination(s.cfg); err != nil {
		return err
	}
	if s.cfg.Split() {
		s.registry = registryOf(s.coordination, s.clusterSecret())
	} else {
		s.memory = memnet.Listen(apiWindow)
		// Nobody else has a way into this process's memory, and its api must be found whatever is down.
		if s.private, err = ownCoordination(); err != nil {
			return err
		}
		s.registry = registryOf(s.private, s.clusterSecret())
		s.registerAPI(ctx, memoryAddress)
	}
	if s.cfg.Plays(config.Edge) {
		s.gateway = s.openGateway(ctx)
	}
	s.shards, err = s.openShards(ctx)
	return err
}

// clusterSecret is what the roles of the installation know each other by.
func (s *service) clusterSecret() string { return cmp.Or(s.cfg.ClusterSecret, s.secrets.cluster) }

// openShards joins the link shards: those of this process, or those of the membership that the event
// store or, at an edge, the api tells.
func (s *service) openShards(ctx context.Context) (*shardSet, error) {
	linkshards.LogClients(s.host.Logger)
	observe := s.observeShards()
	if n, ok := s.cfg.Embedded(); ok {
		return embeddedShards(n, s.host.Logger, observe)
	}
	configured, err := s.configuredShards()
	if err != nil {
		return nil, err
	}
	if s.stores.events == nil {
		return s.openShardsByAPI(ctx, configured, observe)
	}
	s.memberships = memberships{store: s.stores.events, configured: configured}
	m, err := s.memberships.first(ctx, s.host.Logger)
	if err != nil {
		return nil, err
	}
	return joinShards(ctx, m, s.memberships.Newest, s.secrets.id, s.host.Logger, observe)
}

func (s *service) configuredShards() (specs []linkshards.MemberSpec, err error) {
	members, err := linkshards.ParseMembers(s.cfg.Redis)
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	for _, m := range members {
		specs = append(specs, m.Spec())
	}
	return specs, nil
}

// abandon closes what a start that failed had opened.
func (s *service) abandon() error {
	s.sending.stop()
	s.background.stop()
	var faults []error
	if s.shards != nil {
		faults = append(faults, s.shards.Close())
	}
	faults = append(faults, s.coordination.Close(), s.private.Close())
	if s.stores != nil {
		faults = append(faults, s.stores.Close())
	}
	return errors.Join(faults...)
}

// joinLinks makes the commands on links.
func (s *service) joinLinks(ctx context.Context) error {
	newest, err := s.stores.events.NewestID(ctx)
	if err != nil {
		return fmt.Errorf("read the newest link: %w", err)
	}
	s.codes = &nodeCodes{
		client: s.coordination.client, prefix: nodePrefix + s.secrets.id, key: s.secrets.codes, notBefore: newestTime(newest), log: s.host.Logger,
	}
	if s.cfg.NodeID >= 0 {
		err = s.codes.fix(s.cfg.NodeID)
	} else if _, unleased := s.codes.lease(ctx); unleased != nil {
		s.host.Logger.Warn("no links can be made until a node number is leased", "error", unleased)
	}
	if err != nil {
		return err
	}
	s.links = shortener.NewService(shortener.ServiceConfig{
		Log: s.stores.events, View: view{s.shards.links, s.linkChanged}, Codes: s.codes, Targets: shortener.NewTargets(s.ownHosts()),
		Domains: s.cfg.Domains, DefaultDomain: s.defaultDomain(), Logger: s.host.Logger,
	})
	return nil
}

// linkChanged drops what the edge of this process has in memory of a link.
func (s *service) linkChanged(ref shortener.Ref) {
	if s.edge != nil {
		s.edge.Invalidate(ref)
	}
}

// forget has the edge of this process ask again for everything that it has in memory.
func (s *service) forget() {
	if s.edge != nil {
		s.edge.ExpireAll()
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

// joinAPI makes the api role.
func (s *service) joinAPI(context.Context) error {
	handler := api.New(api.Config{
		Links: s.links, List: s.stores.events, Clicks: s.stores.clicks, Keys: s.stores.events, Salts: s.stores.events,
		Audit: apiAudit{auditor{events: s.stores.events, clicks: s.stores.clicks}}, Pending: s.pendingClicks,
		BaseURL: s.base, DefaultDomain: s.defaultDomain(), CursorKey: s.secrets.cursors, ClusterSecret: s.clusterSecret(),
		Installation: s.secrets.id, Membership: s.membershipBody(), Shards: s.shardKeeper(),
		Limits: api.Limits{
			KeyRate: rateOf(s.cfg.LimitKey), KeyBurst: burstOf(s.cfg.LimitKey),
			WrongKeyRate: rateOf(s.cfg.LimitWrongKeys), WrongKeyBurst: burstOf(s.cfg.LimitWrongKeys),
		},
		Logger: s.host.Logger, Metrics: s.metrics,
	})
	s.api = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	return nil
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
		Cache:  edge.Cache{MaxBytes: s.cfg.CacheBytes},
		Limits: edge.Limits{UnknownRate: rateOf(s.cfg.LimitUnknown), UnknownBurst: float64(burstOf(s.cfg.LimitUnknown))},
		Logger: s.host.Logger, Metrics: s.metrics,
	})
	return err
}

// unlimited is a rate that nobody reaches.
const unlimited = 1e9

func rateOf(r config.Rate) float64 {
	if r.Unlimited() {
		return unlimited
	}
	return r.PerSecond
}

func burstOf(r config.Rate) int {
	if r.Unlimited() {
		return unlimited
	}
	return r.Burst
}

// run starts every loop and listener of the roles.
func (s *service) run(ln listeners) {
	b := s.background
	s.public = ln.public
	s.shards.run(b, s.linkChanged, s.forget)
	if s.shards.follower != nil {
		s.gauge("snowlink_membership_epoch", "The version of the link shards' membership that this process uses.",
			func() float64 { return float64(s.shards.links.Epoch()) })
		b.start("adopted membership", s.adoption().run)
	}
	if s.cfg.Plays(config.Worker) {
		s.runWorkers()
		s.runShardWork()
	}
	if s.cfg.Plays(config.Edge) {
		s.runEdge()
	}
	s.health = &health{checks: s.checks()}
	s.admin = adminServer(s.health, s.metrics)
	b.start("admin listener", serve(s.admin, ln.admin))
	if s.cfg.Plays(config.API) {
		s.runAPI(ln)
	}
	if s.cfg.Plays(config.Edge) {
		b.start("public listener", func(context.Context) error { return s.edge.Serve(ln.public) })
	}
}

func (s *service) runEdge() {
	if s.places != nil {
		s.background.start("geo database", s.places.Run)
	}
	s.background.start("watch of the api role", s.gateway.watcher.Run)
	s.runEdgeClicks()
}

func (s *service) runAPI(ln listeners) {
	b := s.background
	if s.cfg.NodeID < 0 {
		b.start("node lease", s.codes.run)
	}
	address := memoryAddress
	if s.memory != nil {
		b.start("api", serve(s.api, s.memory))
	}
	if ln.api != nil {
		b.start("api listener", serve(s.api, ln.api))
	}
	if s.cfg.Split() {
		address = s.advertised(ln.api)
		s.registerAPI(context.Background(), address)
	}
	b.start("registration of the api role", func(ctx context.Context) error { return s.keepRegistered(ctx, address) })
}

// runShardWork starts what keeps the link shards as the event store says: one process of an installation
// does it at a time.
func (s *service) runShardWork() {
	s.gauge("snowlink_projector_lag_events", "Link events that the shards' projector has not looked at yet.",
		func() float64 { return float64(s.lag.Load()) })
	projector := linkshards.NewProjector(linkshards.ProjectorConfig{
		Log: s.stores.events, Shards: s.shards.links, Name: "link shards", Logger: s.host.Logger,
		AtHead: s.shards.volatile, OnLag: s.lag.Store,
	})
	if s.shards.volatile {
		s.background.start("projector", projector.Run)
		return
	}
	mover := linkshards.NewMover(linkshards.MoverConfig{
		Memberships: s.memberships, Links: s.stores.events, Shards: s.shards.links,
		Logger: s.host.Logger, Waiting: s.adoption().waiting, OnProgress: s.moveProgress().tell,
	})
	verifier := linkshards.NewVerifier(s.shards.links, s.stores.events, 0, s.host.Logger)
	s.background.start("link shards", singleton{
		name: "shards:" + s.secrets.id, client: s.coordination.client, log: s.host.Logger,
		work: []func(context.Context) error{projector.Run, verifier.Run, mover.Run},
	}.run)
}

func (s *service) adoption() adoption { return adoption{s.registry, s.identity, s.shards.links.Epoch} }

func (s *service) moveProgress() *moveProgress {
	return &moveProgress{client: s.coordination.client, key: "move:" + s.secrets.id}
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

// checks are what /readyz shows. Only what redirects cannot do without is required.
func (s *service) checks() []check {
	var checks []check
	if s.stores.events != nil {
		checks = append(checks,
			check{"event store", true, func(ctx context.Context) error { _, err := s.stores.events.Head(ctx); return err }},
			check{"click store", false, s.stores.clicks.Ping})
	}
	if s.codes != nil {
		checks = append(checks, check{"node lease", false, func(context.Context) error {
			if codes := s.codes.current.Load(); codes == nil || !codes.usable() {
				return errors.New("no lease on a node number")
			}
			return nil
		}})
	}
	for _, shard := range s.shards.carriers.shards() {
		checks = append(checks, check{"shard " + shard.name, false, func(ctx context.Context) error {
			return shard.client.Ping(ctx).Err()
		}})
	}
	return checks
}
