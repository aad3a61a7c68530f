// Package ingest is the worker's side of the click pipeline: it takes batches from the queue,
// enriches their clicks, puts them into the click store, and tells the edges that it has them.
//
// Under failure it promises that nothing is acknowledged, to the queue or to an edge, before the
// store has committed it, and that a batch which comes again is acknowledged again and counted once:
// the store knows its number. While the store is down the worker tries again for as long as it runs;
// what it cannot decode it hands to a hook and goes on with the rest.
package ingest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"snowlink/shortener"
)

// Message is an entry of the queue.
type Message struct {
	ID         string
	Raw        []byte // a batch encoded by shortener.AppendBatch
	Deliveries int64  // how often it was delivered, this time included
}

// Source is the queue. It delivers a message until it is acknowledged.
type Source interface {
	// Receive waits for messages, for a bounded time. None and no error means that none came.
	Receive(ctx context.Context) ([]Message, error)
	Ack(ctx context.Context, ids ...string) error
}

// Store is the click store. Ingest commits those of the batches that it does not have, all of them
// or none, and returns their number.
type Store interface {
	Ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error)
}

// Acker tells the edge that writes as producer that the store has the batches. It may fail: the edge
// sends again what it was not told of.
type Acker interface {
	Applied(ctx context.Context, producer string, batches []uint64) error
}

// Config configures a Worker. All fields but the last two have to be given.
type Config struct {
	Source   Source
	Store    Store
	Acker    Acker
	Enricher Enricher
	Logger   *slog.Logger

	// Poison is told of each message that is not a batch this worker understands. It decides what
	// becomes of it: the worker neither counts nor acknowledges it. Nil: it is logged.
	Poison func(ctx context.Context, m Message, cause error)
	// AckTimeout bounds the acknowledgements that follow a commit, also when Run is told to end: 5 s.
	AckTimeout time.Duration
}

// Worker moves batches from one queue to the store. Run it once.
type Worker struct {
	cfg   Config
	stats struct{ batches, clicks, duplicates, poison, failures atomic.Int64 }
}

// Stats count what a worker did since it was made.
type Stats struct {
	Batches    int64 // committed for the first time
	Clicks     int64 // of the batches received, committed before or now
	Duplicates int64 // batches that the store had already
	Poison     int64 // messages that could not be decoded
	Failures   int64 // attempts to receive or to store that failed
}

// Plus returns the sum of two workers' doings.
func (s Stats) Plus(o Stats) Stats {
	return Stats{s.Batches + o.Batches, s.Clicks + o.Clicks, s.Duplicates + o.Duplicates, s.Poison + o.Poison, s.Failures + o.Failures}
}

// New returns a Worker.
func New(cfg Config) *Worker {
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = 5 * time.Second
	}
	if cfg.Poison == nil {
		cfg.Poison = func(_ context.Context, m Message, cause error) {
			cfg.Logger.Error("a message on the click queue is not a batch", "id", m.ID, "deliveries", m.Deliveries, "error", cause)
		}
	}
	return &Worker{cfg: cfg}
}

// Stats returns the counts so far. It is safe for concurrent use.
func (w *Worker) Stats() Stats {
	s := &w.stats
	return Stats{
		Batches: s.batches.Load(), Clicks: s.clicks.Load(), Duplicates: s.duplicates.Load(),
		Poison: s.poison.Load(), Failures: s.failures.Load(),
	}
}

// Run moves batches until ctx ends, and returns ctx's error. What was committed by then is
// acknowledged before it returns.
func (w *Worker) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		messages, err := w.cfg.Source.Receive(ctx)
		if err != nil {
			failures++
			w.failed(ctx, "the click queue does not answer", err, failures)
			continue
		}
		failures = 0
		if len(messages) > 0 {
			w.process(ctx, messages)
		}
	}
	return ctx.Err()
}

// process stores and acknowledges messages. If ctx ends before the store has taken them they stay
// with the queue.
func (w *Worker) process(ctx context.Context, messages []Message) {
	batches, ids := w.decode(ctx, messages)
	if len(batches) == 0 || !w.store(ctx, batches) {
		return
	}
	// The commit is done: a shutdown must not cost everyone a second delivery.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.AckTimeout)
	defer cancel()
	if err := w.cfg.Source.Ack(ctx, ids...); err != nil {
		w.cfg.Logger.Warn("click batches are stored but not acknowledged to the queue", "batches", len(batches), "error", err)
	}
	for producer, numbers := range byProducer(batches) {
		if err := w.cfg.Acker.Applied(ctx, producer, numbers); err != nil {
			w.cfg.Logger.Warn("click batches are stored but not acknowledged to the edge",
				"producer", producer, "batches", len(numbers), "error", err)
		}
	}
}

func (w *Worker) decode(ctx context.Context, messages []Message) (batches []shortener.IngestBatch, ids []string) {
	for _, m := range messages {
		b, err := w.cfg.Enricher.Batch(m.Raw)
		if err != nil {
			w.stats.poison.Add(1)
			w.cfg.Poison(ctx, m, err)
			continue
		}
		batches, ids = append(batches, b), append(ids, m.ID)
	}
	return batches, ids
}

// store tries until the store has the batches, or ctx ends and it returns false.
func (w *Worker) store(ctx context.Context, batches []shortener.IngestBatch) bool {
	for failures := 1; ; failures++ {
		fresh, err := w.cfg.Store.Ingest(ctx, batches)
		if err == nil {
			w.stats.batches.Add(int64(fresh))
			w.stats.duplicates.Add(int64(len(batches) - fresh))
			for _, b := range batches {
				w.stats.clicks.Add(int64(len(b.Clicks)))
			}
			return true
		}
		if w.failed(ctx, "the click store does not take clicks", err, failures); ctx.Err() != nil {
			return false
		}
	}
}

// failed counts and logs a failure, and waits. The end of ctx is no failure.
func (w *Worker) failed(ctx context.Context, what string, err error, failures int) {
	if ctx.Err() != nil {
		return
	}
	wait := backoff(failures)
	w.stats.failures.Add(1)
	w.cfg.Logger.Warn(what, "error", err, "failures", failures, "retry_in", wait)
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// backoff returns a jittered wait that doubles up to five seconds.
func backoff(failures int) time.Duration {
	ceiling := min(100*time.Millisecond<<min(failures, 6), 5*time.Second)
	return ceiling/2 + rand.N(ceiling/2)
}

func byProducer(batches []shortener.IngestBatch) map[string][]uint64 {
	out := make(map[string][]uint64)
	for _, b := range batches {
		out[b.Producer] = append(out[b.Producer], b.Number)
	}
	return out
}
