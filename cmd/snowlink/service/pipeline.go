package service

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"snowlink/infra/geo"
	"snowlink/infra/queue"
	"snowlink/infra/referrer"
	"snowlink/infra/useragent"
	"snowlink/shortener/dispatch"
	"snowlink/shortener/ingest"
	"snowlink/web/edge"
)

// agentsKept is how many user agents a worker remembers: a few thousand make up nearly all of traffic.
const agentsKept = 10_000

// joinClicks makes the dispatcher: the edge's side of the click pipeline.
func (s *service) joinClicks(context.Context) error {
	s.dispatcher = dispatch.New(dispatch.Config{
		Log: spoolLog{s.stores.spool}, Sender: &sender{shards: s.shards.carriers.shards}, Logger: s.host.Logger,
	})
	return nil
}

// pendingClicks returns how many clicks were answered and are not in the click store yet: those of this
// process, and what the others have told of theirs within the last seconds.
func (s *service) pendingClicks(context.Context) int64 {
	return s.ownPendingClicks() + s.processes.pendingElsewhere()
}

func (s *service) ownPendingClicks() int64 {
	if s.stores.spool == nil {
		return 0
	}
	return int64(s.stores.spool.Stats().Depth)
}

// runEdgeClicks starts the edge's side of the click pipeline: the spool's keeper, the dispatcher, and for
// each shard a reader of its acknowledgements.
func (s *service) runEdgeClicks() {
	s.background.start("click spool", s.stores.spool.Run)
	s.sending.start("click dispatcher", s.dispatcher.Run)
	producer := s.stores.spool.Producer()
	s.shards.carriers.each(func(ctx context.Context, shard redisShard) error {
		return followAcks(ctx, shard, producer, s.dispatcher.Applied, s.host.Logger)
	})
	s.observeSpool()
}

// runWorkers starts a worker for each shard, which drains its stream. Their name is stable, so that after
// a restart they find what they had not acknowledged.
func (s *service) runWorkers() {
	workers := &crew{}
	s.observeWorkers(workers)
	s.shards.carriers.each(func(ctx context.Context, shard redisShard) error {
		w := s.newWorker(shard)
		defer workers.add(w)()
		return w.Run(ctx)
	})
}

// crew are the workers there are, and what those that have left did.
type crew struct {
	mu   sync.Mutex
	all  []*ingest.Worker
	past ingest.Stats
}

// add takes a worker in, until left is called.
func (c *crew) add(w *ingest.Worker) (left func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, w)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.past = c.past.Plus(w.Stats())
		c.all = slices.DeleteFunc(c.all, func(one *ingest.Worker) bool { return one == w })
	}
}

// stats returns what all of them have done.
func (c *crew) stats() ingest.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.past
	for _, w := range c.all {
		sum = sum.Plus(w.Stats())
	}
	return sum
}

func (s *service) newWorker(shard redisShard) *ingest.Worker {
	return ingest.New(ingest.Config{
		Source: source{queue.NewConsumer(queue.Config{
			Client: shard.client, Stream: clickStream, Group: clickGroup, Name: s.identity, Batch: 64, MaxDeliveries: 10,
		})},
		Store: s.stores.clicks, Acker: acker{shard.client}, Enricher: s.newEnricher(), Logger: s.host.Logger,
	})
}

// newEnricher returns what is found out about a click once its visitor has gone.
func (s *service) newEnricher() ingest.Enricher {
	own := map[string]bool{}
	for _, host := range s.ownHosts() {
		own[host] = true
	}
	agents := useragent.NewCache(agentsKept)
	return ingest.Enricher{
		Agent:    func(text string) ingest.Agent { return ingest.Agent(agents.Classify(text)) },
		Referrer: referrer.Classify,
		OwnHost: func(page string) bool {
			host, _, _ := strings.Cut(page, "/")
			bare, _, err := net.SplitHostPort(host)
			return own[host] || err == nil && own[bare]
		},
	}
}

func (s *service) gauge(name, help string, value func() float64) {
	s.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// observeSpool registers the metrics of the edge's side of the pipeline.
func (s *service) observeSpool() {
	s.gauge("snowlink_spool_clicks", "Clicks in the spool that the click store does not have yet.",
		func() float64 { return float64(s.stores.spool.Stats().Depth) })
	s.gauge("snowlink_spool_bytes", "Disk the click spool takes.",
		func() float64 { return float64(s.stores.spool.Stats().Bytes) })
	s.gauge("snowlink_click_batches_pending", "Click batches that were closed and not acknowledged.",
		func() float64 { return float64(s.dispatcher.Pending()) })
}

// observeWorkers registers the metrics of the workers' side.
func (s *service) observeWorkers(workers *crew) {
	counter := func(name, help string, value func(ingest.Stats) int64) {
		s.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 {
			return float64(value(workers.stats()))
		}))
	}
	counter("snowlink_click_batches_stored_total", "Click batches committed to the click store.", func(s ingest.Stats) int64 { return s.Batches })
	counter("snowlink_click_batches_duplicate_total", "Click batches that came again and were recognised.", func(s ingest.Stats) int64 { return s.Duplicates })
	counter("snowlink_click_poison_total", "Messages on the click queue that are no batch.", func(s ingest.Stats) int64 { return s.Poison })
	counter("snowlink_click_store_failures_total", "Attempts to receive or store clicks that failed.", func(s ingest.Stats) int64 { return s.Failures })
}

// placesOf is the geo database as the edge asks it.
type placesOf struct{ db *geo.DB }

func (p placesOf) Lookup(addr netip.Addr) (country, region, city string) {
	place := p.db.Lookup(addr)
	return place.Country, place.Region, place.City
}

// geo returns what tells the edge places: nothing, if no database is configured.
func (s *service) geo() edge.Geo {
	if s.places == nil {
		return nil
	}
	return placesOf{s.places}
}
