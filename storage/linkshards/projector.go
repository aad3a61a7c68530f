package linkshards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"snowlink/shortener"
)

// Log is the log that a projector follows.
type Log interface {
	Read(ctx context.Context, after int64, limit int) ([]shortener.Event, error)
	Wait(ctx context.Context, after int64) error
	Link(ctx context.Context, ref shortener.Ref) (shortener.Link, error)
}

// Places keep how far a projector has come.
type Places interface {
	Head(ctx context.Context) (int64, error)
	Checkpoint(ctx context.Context, name string) (int64, error)
	SetCheckpoint(ctx context.Context, name string, position int64) error
}

// FollowedLog is a log that keeps the places of those who follow it.
type FollowedLog interface {
	Log
	Places
}

// ProjectorConfig configures a Projector. Zero durations and counts mean the defaults stated.
type ProjectorConfig struct {
	Log    FollowedLog
	Shards *Shards
	Name   string // of its checkpoint
	Logger *slog.Logger

	// AtHead begins at the head of the log rather than where the last run ended: for shards that were
	// emptied with the process, and are filled by misses.
	AtHead bool
	// Grace is how old an event is before it is looked at: 200 ms. Writers put their changes into the
	// shards themselves; to overtake them would do all work twice.
	Grace time.Duration
	Batch int // events at once: 512
	// OnLag, if not nil, is told after each step how many events are left.
	OnLag func(events int64)
}

// Projector follows the event log and puts into the shards what writers failed to put there.
//
// While a shard is down it keeps its place and tries again, forever; the others get theirs meanwhile.
// After a crash it does again the last second of its work, which changes nothing.
type Projector struct {
	cfg   ProjectorConfig
	at    int64     // all events up to here are in the shards
	saved int64     // the checkpoint
	since time.Time // when it was saved

	rewind atomic.Bool
}

// NewProjector returns a projector. Run it once.
func NewProjector(cfg ProjectorConfig) *Projector {
	if cfg.Grace == 0 {
		cfg.Grace = 200 * time.Millisecond
	}
	if cfg.Batch == 0 {
		cfg.Batch = 512
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Projector{cfg: cfg}
}

// saveEvery bounds how often the checkpoint is saved: each is a write to the disk.
const saveEvery = time.Second

// Run projects until ctx ends and returns ctx's error.
func (p *Projector) Run(ctx context.Context) error {
	defer p.save(context.WithoutCancel(ctx))
	step := p.begin
	for failures := 0; ctx.Err() == nil; {
		if err := step(ctx); err == nil {
			failures, step = 0, p.step
		} else if ctx.Err() == nil {
			failures++
			wait := backoff(failures)
			p.cfg.Logger.Warn("link events wait to be put into the shards", "after", p.at, "error", err, "retry_in", wait)
			pause(ctx, wait)
		}
	}
	return ctx.Err()
}

// Rewind makes the projector look at the whole log again: after a shard was away, which may have come
// back without its last writes. It may be called from anywhere, and at any time.
func (p *Projector) Rewind() { p.rewind.Store(true) }

// begin finds the place to begin at.
func (p *Projector) begin(ctx context.Context) (err error) {
	if p.cfg.AtHead {
		p.at, err = p.cfg.Log.Head(ctx)
	} else {
		p.at, err = p.cfg.Log.Checkpoint(ctx, p.cfg.Name)
	}
	p.saved, p.since = p.at, time.Now()
	return err
}

// step waits for events and brings the shards up to the head that it found.
func (p *Projector) step(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	if p.rewind.Swap(false) {
		p.at = 0
	}
	head, err := p.cfg.Log.Head(ctx)
	if err != nil {
		return err
	}
	pause(ctx, p.cfg.Grace)
	for p.at < head && ctx.Err() == nil {
		if err := p.advance(ctx, head); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when there are events to project. A checkpoint that is due is saved meanwhile.
func (p *Projector) wait(ctx context.Context) error {
	for !p.rewind.Load() {
		due, cancel := context.WithTimeout(ctx, saveEvery)
		err := p.cfg.Log.Wait(due, p.at)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		p.save(ctx)
	}
	return nil
}

// advance projects one batch of events, none after head.
func (p *Projector) advance(ctx context.Context, head int64) error {
	events, err := p.cfg.Log.Read(ctx, p.at, int(min(int64(p.cfg.Batch), head-p.at)))
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("the log has nothing after %d, though its head is %d", p.at, head)
	}
	if err != nil {
		return err
	}
	if err := p.repair(ctx, events); err != nil {
		return err
	}
	p.at = events[len(events)-1].Position
	if time.Since(p.since) >= saveEvery {
		p.save(ctx)
	}
	if p.cfg.OnLag != nil {
		p.cfg.OnLag(head - p.at)
	}
	return nil
}

// repair puts the links that the events touched into the shards that hold older ones.
func (p *Projector) repair(ctx context.Context, events []shortener.Event) error {
	seen := make(map[shortener.Ref]bool, len(events))
	var touched []shortener.Record
	for _, e := range events {
		if seen[e.Ref] {
			continue
		}
		seen[e.Ref] = true
		link, err := p.cfg.Log.Link(ctx, e.Ref)
		if err != nil {
			return fmt.Errorf("read link %s: %w", e.Ref, err)
		}
		touched = append(touched, link.Record())
	}
	behind, err := p.cfg.Shards.Behind(ctx, touched)
	errs := []error{err}
	for _, r := range behind {
		errs = append(errs, p.cfg.Shards.Put(ctx, r))
	}
	return errors.Join(errs...)
}

// save keeps the place. A failure costs repeated work after a restart, and is told for that.
func (p *Projector) save(ctx context.Context) {
	if p.at == p.saved || p.cfg.AtHead { // what was skipped is not to count as done
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p.since = time.Now()
	if err := p.cfg.Log.SetCheckpoint(ctx, p.cfg.Name, p.at); err != nil {
		p.cfg.Logger.Warn("the projector's checkpoint was not saved", "position", p.at, "error", err)
		return
	}
	p.saved = p.at
}
