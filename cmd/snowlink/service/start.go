package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/geo"
	"snowlink/infra/lock"
	"snowlink/shortener"
	"snowlink/shortener/dispatch"
	"snowlink/storage/linkshards"
	"snowlink/web/api"
	"snowlink/web/edge"
)

// service is everything that runs. It is made by start and taken down by stop.
type service struct {
	cfg     config.Config
	host    Host
	stores  *stores
	secrets secrets
	shards  *shardSet
	base    string // base URL
	public  net.Listener
	metrics *prometheus.Registry
	health  *health

	codes      *nodeCodes
	lease      *lock.Lease
	links      *shortener.Service
	dispatcher *dispatch.Dispatcher
	places     *geo.DB // nil: none is configured
	gateway    *gatewaySet
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
	if l.public, err = listen("listen", cfg.Listen); err != nil {
		return l, err
	}
	if l.admin, err = listen("admin-listen", cfg.AdminListen); err != nil {
		return l, err
	}
	if cfg.APIListen != "" {
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
	if s.stores, err = openStores(cfg, host.Logger); err != nil {
		return nil, err
	}
	if s.secrets, err = readSecrets(ctx, s.stores.events); err != nil {
		return nil, err
	}
	if s.shards, err = openShards(ctx, cfg, s.secrets.id, host.Logger); err != nil {
		return nil, err
	}
	for _, join := range []func(context.Context) error{s.joinLinks, s.joinClicks, s.joinAPI, s.joinEdge} {
		if err = join(ctx); err != nil {
			return nil, err
		}
	}
	made, err := ensureOwner(ctx, s.stores.events, cfg, time.Now())
	if err != nil {
		return nil, fmt.Errorf("make the owner key: %w", err)
	}
	if n := len(cfg.AdminKey); n > 0 && n < guessable {
		host.Logger.Warn("the configured owner key is short enough to be guessed", "characters", n, "want", guessable)
	}
	s.run(ln)
	s.greet(ln, made)
	return s, nil
}

// abandon closes what a start that failed had opened.
func (s *service) abandon() error {
	s.sending.stop()
	s.background.stop()
	var faults []error
	if s.shards != nil {
		faults = append(faults, s.shards.Close())
	}
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
	s.codes = &nodeCodes{client: s.shards.coordination, key: s.secrets.codes, notBefore: newestTime(newest), log: s.host.Logger}
	if s.lease, err = s.codes.lease(ctx, s.cfg.NodeID); err != nil {
		return err
	}
	s.links = shortener.NewService(shortener.ServiceConfig{
		Log: s.stores.events, View: view{s.shards.links, s.linkChanged}, Codes: s.codes, Targets: shortener.NewTargets(s.ownHosts()),
		Domains: s.cfg.Domains, DefaultDomain: s.defaultDomain(), Logger: s.host.Logger,
	})
	return nil
}

// linkChanged drops what the edge of this process has in memory of a link.
func (s *service) linkChanged(ref shortener.Ref) { s.edge.Invalidate(ref) }

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
	for _, address := range []string{s.cfg.Listen, s.cfg.APIListen, s.cfg.AdminListen} {
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
		BaseURL: s.base, DefaultDomain: s.defaultDomain(), CursorKey: s.secrets.cursors, ClusterSecret: s.secrets.cluster,
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
func (s *service) joinEdge(ctx context.Context) (err error) {
	if s.gateway, err = s.openGateway(ctx); err != nil {
		return err
	}
	if s.cfg.GeoDB != "" {
		if s.places, err = geo.Open(s.cfg.GeoDB); err != nil {
			return fmt.Errorf("--geo-db: %w", err)
		}
	}
	domains := map[string]string{}
	for _, d := range s.cfg.Domains { // under the name that browsers send, which is the one links have
		ref, err := s.links.Ref(d, "")
		if err != nil {
			return fmt.Errorf("--domains: %q is not a host: %w", d, err)
		}
		if ref.Domain != "" { // the default domain may be named too
			domains[ref.Domain] = ref.Domain
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

// run starts every loop and listener.
func (s *service) run(ln listeners) {
	b := s.background
	if s.lease != nil {
		b.start("node lease", func(ctx context.Context) error { return s.codes.run(ctx, s.lease) })
	}
	projector := linkshards.NewProjector(linkshards.ProjectorConfig{
		Log: s.stores.events, Shards: s.shards.links, Name: "link shards", Logger: s.host.Logger,
		AtHead: s.shards.volatile, OnLag: s.observeLag(),
	})
	b.start("projector", projector.Run)
	b.start("invalidations", func(ctx context.Context) error {
		return s.shards.links.Subscribe(ctx, linkshards.Listener{
			Changed: func(ref shortener.Ref, _ int64) { s.linkChanged(ref) },
			Connected: func() {
				s.edge.ExpireAll()
				if !s.shards.volatile { // it may have come back without its last writes
					projector.Rewind()
				}
			},
		})
	})
	if !s.shards.volatile {
		b.start("claims of the shards", func(ctx context.Context) error { return s.shards.keepClaims(ctx, s.secrets.id) })
	}
	if s.places != nil {
		b.start("geo database", s.places.Run)
	}
	s.runClicks()
	s.gateway.run(b)
	s.public = ln.public
	s.health = &health{checks: s.checks()}
	s.admin = adminServer(s.health, s.metrics)
	b.start("admin listener", serve(s.admin, ln.admin))
	b.start("api", serve(s.api, s.gateway.listener))
	if ln.api != nil {
		b.start("api listener", serve(s.api, ln.api))
	}
	b.start("public listener", func(context.Context) error { return s.edge.Serve(ln.public) })
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
	checks := []check{
		{"event store", true, func(ctx context.Context) error { _, err := s.stores.events.Head(ctx); return err }},
		{"click store", false, s.stores.clicks.Ping},
		{"node lease", false, func(context.Context) error {
			if s.codes.current.Load() == nil {
				return errors.New("no lease on a node number")
			}
			return nil
		}},
	}
	for _, shard := range s.shards.redis {
		checks = append(checks, check{"shard " + shard.name, false, func(ctx context.Context) error {
			return shard.client.Ping(ctx).Err()
		}})
	}
	return checks
}

// greet tells people that the service runs, and how to use it.
func (s *service) greet(ln listeners, made string) {
	in := installation{
		id: s.secrets.id, version: s.host.Version, baseURL: s.base, command: filepath.Base(os.Args[0]), stores: s.describeStores(),
		adminURL: "http://" + net.JoinHostPort(reachable(s.cfg.AdminListen), strconv.Itoa(port(ln.admin))),
	}
	local := "http://" + net.JoinHostPort(reachable(s.cfg.Listen), strconv.Itoa(port(ln.public)))
	if port(ln.public) != 8080 {
		in.server = " --server " + local
	}
	if filepath.Dir(os.Args[0]) != "." {
		in.command = os.Args[0]
	}
	if err := rememberKey(in, made, local); err != nil {
		s.host.Logger.Warn("the command line will have to be given the key", "error", err)
	}
	welcome(s.host.Stdout, in, made)
	s.host.Logger.Info("serving", "public", ln.public.Addr().String(), "admin", ln.admin.Addr().String(),
		"base_url", s.base, "version", s.host.Version)
}

// describeStores says in one line what the service runs on, and what that promises.
func (s *service) describeStores() string {
	if n, ok := s.cfg.Embedded(); ok {
		return fmt.Sprintf("links in SQLite and clicks in DuckDB under %s, %d link shards in memory: nothing is lost with the process", s.cfg.DataDir, n)
	}
	return fmt.Sprintf("links in SQLite and clicks in DuckDB under %s, link shards on Redis: a Redis may be emptied, nothing is lost with it", s.cfg.DataDir)
}
