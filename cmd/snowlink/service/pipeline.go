package service

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

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
		Log: spoolLog{s.stores.spool}, Sender: &sender{shards: s.shards.redis}, Logger: s.host.Logger,
	})
	return nil
}

// pendingClicks returns how many clicks were answered and are not in the click store yet.
func (s *service) pendingClicks(context.Context) int64 { return int64(s.stores.spool.Stats().Depth) }

// runClicks starts the click pipeline: the spool's keeper, the dispatcher, and for each shard a worker
// that drains its stream and a reader of its acknowledgements.
func (s *service) runClicks() {
	b := s.background
	b.start("click spool", s.stores.spool.Run)
	s.sending.start("click dispatcher", s.dispatcher.Run)
	producer := s.stores.spool.Producer()
	var workers []*ingest.Worker
	for _, shard := range s.shards.redis {
		w := s.newWorker(shard)
		workers = append(workers, w)
		b.start("click worker of "+shard.name, w.Run)
		b.start("click acknowledgements of "+shard.name, func(ctx context.Context) error {
			return followAcks(ctx, shard, producer, s.dispatcher.Applied, s.host.Logger)
		})
	}
	s.observeClicks(workers)
}

// newWorker returns the worker of one shard's stream. Its name is stable, so that after a restart it
// finds what it had not acknowledged.
func (s *service) newWorker(shard redisShard) *ingest.Worker {
	return ingest.New(ingest.Config{
		Source: source{queue.NewConsumer(queue.Config{
			Client: shard.client, Stream: clickStream, Group: clickGroup, Name: s.secrets.id, Batch: 64, MaxDeliveries: 10,
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

// observeClicks registers the metrics of the pipeline.
func (s *service) observeClicks(workers []*ingest.Worker) {
	gauge := func(name, help string, value func() float64) {
		s.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func(ingest.Stats) int64) {
		s.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 {
			var sum int64
			for _, w := range workers {
				sum += value(w.Stats())
			}
			return float64(sum)
		}))
	}
	gauge("snowlink_spool_clicks", "Clicks in the spool that the click store does not have yet.",
		func() float64 { return float64(s.stores.spool.Stats().Depth) })
	gauge("snowlink_spool_bytes", "Disk the click spool takes.",
		func() float64 { return float64(s.stores.spool.Stats().Bytes) })
	gauge("snowlink_click_batches_pending", "Click batches that were closed and not acknowledged.",
		func() float64 { return float64(s.dispatcher.Pending()) })
	counter("snowlink_click_batches_stored_total", "Click batches committed to the click store.", func(s ingest.Stats) int64 { return s.Batches })
	counter("snowlink_click_batches_duplicate_total", "Click batches that came again and were recognised.", func(s ingest.Stats) int64 { return s.Duplicates })
	counter("snowlink_click_poison_total", "Messages on the click queue that are no batch.", func(s ingest.Stats) int64 { return s.Poison })
	counter("snowlink_click_store_failures_total", "Attempts to receive or store clicks that failed.", func(s ingest.Stats) int64 { return s.Failures })
}

// observeLag returns the projector's observer, whose last word is a metric.
func (s *service) observeLag() func(events int64) {
	var lag atomic.Int64
	s.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "snowlink_projector_lag_events", Help: "Link events that the shards' projector has not looked at yet.",
	}, func() float64 { return float64(lag.Load()) }))
	return lag.Store
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
