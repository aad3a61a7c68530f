package linkshards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	// OnLag, if not nil, is told after each step how many events are left, for the shard that is worst off.
	OnLag func(events int64)
}

// Projector follows the event log and puts into the shards what writers failed to put there.
//
// A shard that is down does not make the others' links late: the projector goes on, remembers from
// where it owes that shard its links, and pays while it follows the log. What it owes is part of its
// checkpoint, and a restart begins there. A shard that came back with less than it had is not the
// projector's but the Verifier's.
//
// After a crash it does again the last second of its work, which changes nothing.
type Projector struct {
	cfg   ProjectorConfig
	at    int64     // all events up to here were looked at
	saved int64     // the checkpoint
	since time.Time // when it was saved

	owes     bool
	owed     int64 // events from here to at are to be looked at again
	failures int   // in a row, to pay
	due      time.Time
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
			p.cfg.Logger.Warn("the event log cannot be followed", "after", p.at, "error", err, "retry_in", wait)
			pause(ctx, wait)
		}
	}
	return ctx.Err()
}

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

// step waits for something to do, brings the shards up to the head that it found, and pays what it
// owes if that is due.
func (p *Projector) step(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	head, err := p.cfg.Log.Head(ctx)
	if err != nil {
		return err
	}
	if p.at < head {
		pause(ctx, p.cfg.Grace)
	}
	for p.at < head && ctx.Err() == nil {
		if err := p.advance(ctx, head); err != nil {
			return err
		}
	}
	if p.owes && !time.Now().Before(p.due) {
		if err := p.pay(ctx, head); err != nil {
			return err
		}
	}
	p.tellLag(head)
	return nil
}

// wait returns when there are events to project, or when it is time to pay. A checkpoint that is due
// is saved meanwhile.
func (p *Projector) wait(ctx context.Context) error {
	for {
		until := time.Now().Add(saveEvery)
		if p.owes && p.due.Before(until) {
			until = p.due
		}
		limited, cancel := context.WithDeadline(ctx, until)
		err := p.cfg.Log.Wait(limited, p.at)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		p.save(ctx)
		if p.owes && !time.Now().Before(p.due) {
			return nil
		}
	}
}

// advance projects one batch of events, none after head. Shards that cannot be written to are owed it.
func (p *Projector) advance(ctx context.Context, head int64) error {
	events, err := p.read(ctx, p.at, head)
	if err != nil {
		return err
	}
	links, err := p.touched(ctx, events)
	if err != nil {
		return err
	}
	if err := p.repair(ctx, links); err != nil && !p.owes {
		p.owes, p.owed, p.failures = true, p.at, 0
		p.postpone(err)
	}
	p.at = events[len(events)-1].Position
	if time.Since(p.since) >= saveEvery {
		p.save(ctx)
	}
	p.tellLag(head)
	return nil
}

// pay looks again at what is owed, until a shard fails again. The error is one of the log's.
func (p *Projector) pay(ctx context.Context, head int64) error {
	for p.owed < p.at && ctx.Err() == nil {
		events, err := p.read(ctx, p.owed, p.at)
		if err != nil {
			return err
		}
		links, err := p.touched(ctx, events)
		if err != nil {
			return err
		}
		if err := p.repair(ctx, links); err != nil {
			p.postpone(err)
			return nil
		}
		p.owed, p.failures = events[len(events)-1].Position, 0
		p.tellLag(head)
	}
	p.owes = p.owed < p.at
	return nil
}

// postpone sets when to try to pay again.
func (p *Projector) postpone(err error) {
	p.failures++
	wait := backoff(p.failures)
	p.due = time.Now().Add(wait)
	p.cfg.Logger.Warn("links wait to be put into a shard", "after", p.owed, "error", err, "retry_in", wait)
}

// read returns a batch of the events after a position, none after head.
func (p *Projector) read(ctx context.Context, after, head int64) ([]shortener.Event, error) {
	events, err := p.cfg.Log.Read(ctx, after, int(min(int64(p.cfg.Batch), head-after)))
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("the log has nothing after %d, though its head is %d", after, head)
	}
	return events, err
}

// place is where a projector that starts has to begin: before what is owed.
func (p *Projector) place() int64 {
	if p.owes {
		return p.owed
	}
	return p.at
}

func (p *Projector) tellLag(head int64) {
	if p.cfg.OnLag != nil {
		p.cfg.OnLag(head - p.place())
	}
}

// touched returns the links that the events are about, as they are now.
func (p *Projector) touched(ctx context.Context, events []shortener.Event) ([]shortener.Record, error) {
	seen := make(map[shortener.Ref]bool, len(events))
	var touched []shortener.Record
	for _, e := range events {
		if seen[e.Ref] {
			continue
		}
		seen[e.Ref] = true
		link, err := p.cfg.Log.Link(ctx, e.Ref)
		if err != nil {
			return nil, fmt.Errorf("read link %s: %w", e.Ref, err)
		}
		touched = append(touched, link.Record())
	}
	return touched, nil
}

// repair puts links into the shards that hold older ones, as far as those can be reached.
func (p *Projector) repair(ctx context.Context, links []shortener.Record) error {
	behind, err := p.cfg.Shards.Behind(ctx, links)
	errs := []error{err}
	for _, r := range behind {
		errs = append(errs, p.cfg.Shards.Put(ctx, r))
	}
	return errors.Join(errs...)
}

// save keeps the place. A failure costs repeated work after a restart, and is told for that.
func (p *Projector) save(ctx context.Context) {
	if p.place() == p.saved || p.cfg.AtHead { // what was skipped is not to count as done
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p.since = time.Now()
	if err := p.cfg.Log.SetCheckpoint(ctx, p.cfg.Name, p.place()); err != nil {
		p.cfg.Logger.Warn("the projector's checkpoint was not saved", "position", p.place(), "error", err)
		return
	}
	p.saved = p.place()
}
