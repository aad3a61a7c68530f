package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	"snowlink/web/edge"
)

// service is everything that runs of the roles of this process: what belongs to another role is nil. It is
// made by start and taken down by stop.
type service struct {
	cfg          config.Config
	host         Host
	identity     string // of this process, the same after a restart
	installation string // that the process is of; "" until it is known
	stores       *stores
	secrets      secrets
	base         string // base URL
	public       net.Listener
	metrics      *prometheus.Registry
	health       *health

	coordination coordination
	private      coordination       // of one process that plays all roles: the list on which its edge finds its api
	registry     *registry.Registry // of the installation
	registrars   []*registrar       // of the api role
	processes    *processes
	limits       limits
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
	serving    atomic.Pointer[edge.Edge] // the same, for those who may hear of something before it is there
	api        *http.Server
	endStreams func() // of the api role
	admin      *http.Server

	sending    *loops // what brings clicks from the edge to the queue
	background *loops // everything else that runs beside the listeners
	failed     chan error
}

// start opens, joins and runs everything. After an error nothing is left running or open. While something
// that it cannot do without is away it waits, and /readyz says for what. The error is errStopped if the
// process was told to stop meanwhile.
func start(ctx context.Context, cfg config.Config, host Host) (_ *service, err error) {
	ln, err := openListeners(cfg)
	if err != nil {
		return nil, err
	}
	s := &service{cfg: cfg, host: host, metrics: prometheus.NewRegistry(), health: &health{}, failed: make(chan error, 8)}
	s.sending, s.background = newLoops(s.failed, host.Logger), newLoops(s.failed, host.Logger)
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.base = baseURL(cfg, ln.public)
	s.admin = adminServer(s.health, s.metrics)
	s.background.start("admin listener", serve(s.admin, ln.admin))
	waiting := openWaitingRoom(ln)
	made, err := s.join(ctx, ln)
	if err = errors.Join(err, waiting.close()); err != nil {
		ln.Close()
		return nil, errors.Join(err, s.abandon())
	}
	s.run(ln)
	s.greet(ln, made)
	return s, nil
}

// join opens what the roles need, and makes them. It returns the owner key if it had to make one.
func (s *service) join(ctx context.Context, ln listeners) (made string, err error) {
	if err := s.open(ctx, ln); err != nil {
		return "", err
	}
	for _, one := range []struct {
		role string
		join func(context.Context) error
	}{
		{config.Worker, s.joinWorker},
		{config.API, s.joinLinks},
		{config.Edge, s.joinClicks},
		{config.API, s.joinAPI},
		{config.Edge, s.joinEdge},
		{config.API, func(ctx context.Context) (err error) { made, err = s.joinOwner(ctx); return err }},
	} {
		if s.cfg.Plays(one.role) {
			if err := one.join(ctx); err != nil {
				return "", err
			}
		}
	}
	return made, nil
}

// open opens the stores, and finds the shards and the other processes.
func (s *service) open(ctx context.Context, ln listeners) (err error) {
	if s.stores, err = openStores(ctx, s.cfg, s.host.Logger); err != nil {
		return err
	}
	if s.identity, err = s.stores.folder.identity(); err != nil {
		return err
	}
	if err := s.openTruth(ctx); err != nil {
		return err
	}
	if s.coordination, err = openCoordination(s.cfg); err != nil {
		return err
	}
	if err := s.meetOthers(ctx, ln); err != nil {
		return err
	}
	if s.shards, err = s.openShards(ctx); err != nil {
		return err
	}
	s.processes = newProcesses(s.registry, s.installation, s.identity, s.vitals)
	s.limits, err = s.openLimits()
	return err
}

// openTruth opens the event store, and reads what it keeps of the installation.
func (s *service) openTruth(ctx context.Context) error {
	if !s.cfg.Plays(config.API) && !s.cfg.Plays(config.Worker) {
		return nil
	}
	err := s.await(ctx, s.theTruth(), func(ctx context.Context) error { return s.stores.openEvents(ctx, s.cfg, s.host.Logger) })
	if err != nil {
		return fmt.Errorf("open the event store: %w", err)
	}
	return s.await(ctx, s.theTruth(), func(ctx context.Context) (err error) {
		s.secrets, err = readSecrets(ctx, s.stores.events)
		s.installation = s.secrets.id
		return err
	})
}

// clusterSecret is what the roles of the installation know each other by.
func (s *service) clusterSecret() string { return cmp.Or(s.cfg.ClusterSecret, s.secrets.cluster) }

// meetOthers joins the registry of the installation, and opens the way to the api role.
func (s *service) meetOthers(ctx context.Context, ln listeners) (err error) {
	s.registry = registryOf(s.coordination, s.clusterSecret(), s.host.Logger)
	apis := s.registry
	if !s.cfg.Split() {
		// Nobody else has a way into this process's memory, and its api must be found whatever is down.
		s.memory = memnet.Listen(apiWindow)
		if s.private, err = ownCoordination(); err != nil {
			return err
		}
		apis = registryOf(s.private, s.clusterSecret(), s.host.Logger)
		s.registrars = append(s.registrars, s.newRegistrar(apis, memoryAddress))
		s.registrars[0].register(ctx)
	}
	if _, embedded := s.cfg.Embedded(); ln.api != nil && !embedded {
		s.registrars = append(s.registrars, s.newRegistrar(s.registry, s.advertised(ln.api)))
	}
	if s.cfg.Plays(config.Edge) {
		s.gateway = s.openGateway(ctx, apis)
	}
	return nil
}

func (s *service) newRegistrar(list *registry.Registry, address string) *registrar {
	return &registrar{registry: list, instance: registry.Instance{Service: apiService, ID: s.identity, Addr: address}, log: s.host.Logger}
}

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
	var m linkshards.Membership
	err = s.await(ctx, s.theTruth(), func(ctx context.Context) (err error) {
		m, err = s.memberships.first(ctx, s.host.Logger)
		return err
	})
	if err != nil {
		return nil, err
	}
	return joinShards(ctx, m, s.memberships.Newest, s.installation, s.host.Logger, observe)
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
	_ = s.admin.Close()
	s.sending.stop()
	s.background.stop()
	var faults []error
	if s.shards != nil {
		faults = append(faults, s.shards.Close())
	}
	faults = append(faults, s.limits.store.Close(), s.coordination.Close(), s.private.Close())
	if s.stores != nil {
		faults = append(faults, s.stores.Close())
	}
	return errors.Join(faults...)
}

// guessable is the length below which a configured key is warned of.
const guessable = 24

// joinOwner sees to it that somebody can get in. It returns the key if it had to make one.
func (s *service) joinOwner(ctx context.Context) (made string, err error) {
	err = s.await(ctx, s.theTruth(), func(ctx context.Context) (err error) {
		made, err = ensureOwner(ctx, s.stores.events, s.cfg, time.Now())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the owner key: %w", err)
	}
	if n := len(s.cfg.AdminKey); n > 0 && n < guessable {
		s.host.Logger.Warn("the configured owner key is short enough to be guessed", "characters", n, "want", guessable)
	}
	return made, nil
}
