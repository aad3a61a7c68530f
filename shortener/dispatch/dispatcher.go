// Package dispatch is the edge's side of the click pipeline: it closes batches in the click log,
// sends each to the workers, and forgets it only once a worker says that the click store has it.
//
// Under failure it promises that a batch leaves the log by an acknowledgement alone. Whatever the
// queue loses, delays or delivers twice, the batch is sent again, with the same number and the same
// clicks, until the store has it; the store counts a number once.
package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Log is where clicks are kept until they are acknowledged.
type Log interface {
	// Oldest and Closed bound the batches that are there to be read; Closed < Oldest means none.
	Oldest() uint64
	Closed() uint64
	// Read returns the batch in the form in which it travels; ErrNoBatch if the log has none of that
	// number.
	Read(number uint64) ([]byte, error)
	// CloseBatch closes the open batch if it has clicks.
	CloseBatch()
	// Ack forgets a batch.
	Ack(number uint64)
}

// ErrNoBatch is what a Log returns for a number that was never given to a batch, or whose batch was
// acknowledged before. The dispatcher passes over it.
var ErrNoBatch = errors.New("no such batch in the click log")

// Sender puts an encoded batch where a worker will find it. An error means that it may or may not
// have arrived.
type Sender interface {
	Send(ctx context.Context, raw []byte) error
}

// Config configures a Dispatcher. Zero durations and counts mean the defaults stated.
type Config struct {
	Log    Log
	Sender Sender
	Logger *slog.Logger

	Every    time.Duration // how long a batch stays open: 50 ms
	Resend   time.Duration // how long an acknowledgement is waited for: 30 s
	InFlight int           // batches sent and not yet acknowledged: 256
	Now      func() time.Time
}

// Dispatcher sends batches. Run it once; Applied may be called from anywhere.
type Dispatcher struct {
	cfg Config

	mu   sync.Mutex
	sent map[uint64]time.Time // not yet acknowledged, and when they were sent last
	next uint64               // the first batch that was never sent by this process

	wake chan struct{}
}

// New returns a Dispatcher that will begin with the oldest batch of the log.
func New(cfg Config) *Dispatcher {
	if cfg.Every == 0 {
		cfg.Every = 50 * time.Millisecond
	}
	if cfg.Resend == 0 {
		cfg.Resend = 30 * time.Second
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = 256
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Dispatcher{
		cfg: cfg, sent: make(map[uint64]time.Time), next: max(1, cfg.Log.Oldest()), wake: make(chan struct{}, 1),
	}
}

// Run sends batches until ctx ends. It returns ctx's error.
func (d *Dispatcher) Run(ctx context.Context) error {
	var failures int
	for {
		wait := d.cfg.Every
		if err := d.step(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = backoff(failures)
			d.cfg.Logger.Warn("click batches wait in the spool", "error", err, "retry_in", wait)
		} else {
			failures = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Drain closes the open batch and sends what is there until everything is acknowledged or ctx ends.
// It reports how many batches are left. Run must have returned.
func (d *Dispatcher) Drain(ctx context.Context) (left int) {
	for {
		err := d.step(ctx)
		if left = d.Pending(); left == 0 && err == nil {
			return 0
		}
		select {
		case <-ctx.Done():
			return left
		case <-d.wake:
		case <-time.After(d.cfg.Every):
		}
	}
}

// Applied tells that the click store has the batches. Numbers that are not in flight are ignored.
func (d *Dispatcher) Applied(numbers []uint64) {
	for _, n := range numbers {
		d.mu.Lock()
		_, waiting := d.sent[n]
		delete(d.sent, n)
		d.mu.Unlock()
		if waiting {
			d.cfg.Log.Ack(n)
		}
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Pending returns how many closed batches are not acknowledged.
func (d *Dispatcher) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	unsent := 0
	if closed := d.cfg.Log.Closed(); closed >= d.next {
		unsent = int(closed - d.next + 1)
	}
	return len(d.sent) + unsent
}

// step closes the open batch, sends again what was not acknowledged in time, and then what is new.
func (d *Dispatcher) step(ctx context.Context) error {
	d.cfg.Log.CloseBatch()
	for _, n := range d.overdue() {
		if err := d.send(ctx, n); err != nil {
			return err
		}
	}
	for {
		n, ok := d.upcoming()
		if !ok {
			return nil
		}
		if err := d.send(ctx, n); err != nil {
			return err
		}
	}
}

func (d *Dispatcher) overdue() []uint64 {
	limit := d.cfg.Now().Add(-d.cfg.Resend)
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []uint64
	for n, at := range d.sent {
		if at.Before(limit) {
			out = append(out, n)
		}
	}
	return out
}

func (d *Dispatcher) upcoming() (uint64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.next, d.next <= d.cfg.Log.Closed() && len(d.sent) < d.cfg.InFlight
}

// send marks the batch before it goes out: the acknowledgement may be faster than the sender's
// return. A batch that could not be sent stays marked and is overdue at once.
func (d *Dispatcher) send(ctx context.Context, n uint64) error {
	raw, err := d.cfg.Log.Read(n)
	missing := errors.Is(err, ErrNoBatch)
	if err != nil && !missing {
		return err
	}
	d.mu.Lock()
	d.next = max(d.next, n+1)
	d.sent[n] = d.cfg.Now()
	if missing {
		delete(d.sent, n)
	}
	d.mu.Unlock()
	if missing {
		return nil
	}
	if err := d.cfg.Sender.Send(ctx, raw); err != nil {
		d.mu.Lock()
		if _, waiting := d.sent[n]; waiting {
			d.sent[n] = time.Time{}
		}
		d.mu.Unlock()
		return err
	}
	return nil
}

// backoff returns a jittered wait that doubles up to two seconds.
func backoff(failures int) time.Duration {
	ceiling := 100 * time.Millisecond << min(failures, 5)
	return ceiling/2 + rand.N(min(ceiling, 2*time.Second)/2)
}
