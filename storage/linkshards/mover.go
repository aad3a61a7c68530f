package linkshards

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"snowlink/shortener"
)

// Memberships keep the newest membership for all processes.
type Memberships interface {
	// Newest returns the membership that was kept last, the zero Membership if there is none.
	Newest(ctx context.Context) (Membership, error)
	// Keep makes m the newest. The error is a Conflict if m does not follow the one that is.
	Keep(ctx context.Context, m Membership) error
}

// MoverConfig configures a Mover. Zero durations and counts mean the defaults stated.
type MoverConfig struct {
	Memberships Memberships
	Links       Links
	Shards      *Shards
	Logger      *slog.Logger // slog.Default() if nil

	// Waiting, if not nil, returns who has not gone over to the epoch yet. A move waits for all, and
	// not for longer than Patience: who is late does no harm, but goes to the truth for what moved.
	Waiting  func(ctx context.Context, epoch uint64) ([]string, error)
	Patience time.Duration // 10 s
	// Rate bounds how many links are copied or erased in a second: 20,000.
	Rate int
	// OnProgress, if not nil, is told of each step and page.
	OnProgress func(Progress)
}

// Progress is how far a move is.
type Progress struct {
	Epoch   uint64    `json:"epoch"`
	Phase   Phase     `json:"phase"`
	Links   int64     `json:"links"`  // there are, about
	Looked  int64     `json:"looked"` // at in this phase
	Moved   int64     `json:"moved"`  // of them copied, or erased where they were
	Began   time.Time `json:"began"`  // the phase, in this run of the mover
	Waiting []string  `json:"waiting,omitempty"`
	Error   string    `json:"error,omitempty"` // why it does not get on
}

// Rate returns how many links are looked at in a second.
func (p Progress) Rate(now time.Time) float64 {
	if took := now.Sub(p.Began).Seconds(); took > 0 && p.Looked > 0 {
		return float64(p.Looked) / took
	}
	return 0
}

// Mover carries moves of links between shards through: it looks which step the kept membership is at,
// does the work of that step, and keeps the next one. It has no memory of its own: stopped at any point,
// another one begins the step again, which changes nothing where it was done.
//
// There should be one in an installation at a time, which a lock sees to. A second one, whose lock was
// lost without its notice, does no harm: what it writes is no newer than what is there, the shards
// refuse it once they know of a newer epoch, and of two that keep the next membership one is refused.
type Mover struct {
	cfg  MoverConfig
	poke chan struct{}

	mu       sync.Mutex
	progress Progress
}

// NewMover returns a mover. Run it once at a time.
func NewMover(cfg MoverConfig) *Mover {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	if cfg.Rate == 0 {
		cfg.Rate = 20_000
	}
	return &Mover{cfg: cfg, poke: make(chan struct{}, 1)}
}

// Poke makes the mover look at once whether there is something to do. It does not wait.
func (m *Mover) Poke() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// Run moves what is to be moved until ctx ends, and returns ctx's error.
func (m *Mover) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		settled, err := m.step(ctx)
		wait := time.Second
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failures++
			wait = backoff(failures)
			m.cfg.Logger.Warn("a move of links does not get on", "error", err, "retry_in", wait)
			m.report(func(p *Progress) { p.Error = err.Error() })
		case !settled:
			failures = 0
			continue
		}
		select {
		case <-ctx.Done():
		case <-m.poke:
		case <-time.After(wait):
		}
	}
	return ctx.Err()
}

// step does what the kept membership asks for, and keeps the next one.
func (m *Mover) step(ctx context.Context) (settled bool, err error) {
	at, err := m.cfg.Memberships.Newest(ctx)
	if err != nil || at.epoch == 0 {
		return true, err
	}
	if err := m.cfg.Shards.Adopt(at); err != nil {
		return false, err
	}
	if at.phase == Settled {
		return true, nil
	}
	links, err := m.cfg.Links.CountLinks(ctx)
	if err != nil {
		return false, err
	}
	m.report(func(p *Progress) { *p = Progress{Epoch: at.epoch, Phase: at.phase, Links: links, Began: time.Now()} })
	if err := m.tell(ctx, at); err != nil {
		return false, err
	}
	work := m.copy
	if at.phase == Clearing {
		work = m.clear
	}
	if err := work(ctx, at); err != nil {
		return false, err
	}
	next, err := at.Next()
	if err != nil {
		return false, err
	}
	if err := m.cfg.Memberships.Keep(ctx, next); err != nil {
		return false, err
	}
	m.cfg.Logger.Info("a move of links has got on", "epoch", next.epoch, "phase", string(next.phase), "moved", m.Progress().Moved)
	if next.phase == Settled {
		return true, errors.Join(m.cfg.Shards.Adopt(next), m.fence(ctx, next))
	}
	return false, nil
}

// tell makes the membership known, and waits until all have gone over to it.
func (m *Mover) tell(ctx context.Context, at Membership) error {
	if err := m.fence(ctx, at); err != nil {
		return err
	}
	if m.cfg.Waiting == nil {
		return nil
	}
	for patience := time.Now().Add(m.cfg.Patience); ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		waiting, err := m.cfg.Waiting(ctx, at.epoch)
		if err == nil && len(waiting) == 0 {
			break
		}
		m.report(func(p *Progress) { p.Waiting = waiting })
		if time.Now().After(patience) {
			m.cfg.Logger.Warn("a move of links goes on without some", "epoch", at.epoch, "waiting_for", waiting, "error", err)
			break
		}
	}
	m.report(func(p *Progress) { p.Waiting, p.Began = nil, time.Now() })
	return ctx.Err()
}

// fence makes the epoch known to the shards and to all processes. A shard that cannot be reached is told
// by Run as soon as it can be; until then its writers cannot reach it either.
func (m *Mover) fence(ctx context.Context, at Membership) error {
	err := m.cfg.Shards.Fence(ctx, at.epoch)
	if err := errors.Join(err, m.cfg.Shards.Announce(ctx)); err != nil {
		m.cfg.Logger.Warn("not every shard knows the membership yet", "epoch", at.epoch, "error", err)
	}
	return ctx.Err()
}

// copy puts every link that moves into its new shard. A shard that joins is verified with that: it owns
// nothing but links that move.
func (m *Mover) copy(ctx context.Context, at Membership) error {
	receivers := map[string]bool{}
	for _, move := range at.Moves() {
		receivers[move.To] = true
	}
	pace := newPace(m.cfg.Rate)
	return m.cfg.Shards.onInstances(ctx, slices.Sorted(maps.Keys(receivers)), func(ctx context.Context, on map[string]*Instance) error {
		err := walk(ctx, m.cfg.Links, func(links []shortener.Record) error {
			return m.toEach(links, moving(at, links, toNew), func(name string, records []shortener.Record) (int, error) {
				_, err := on[name].Put(ctx, at.epoch, records)
				pace.did(ctx, len(records))
				return len(records), err
			})
		})
		for name, instance := range on {
			if err == nil && at.Joining(name) {
				err = instance.MarkVerified(ctx)
			}
		}
		return err
	})
}

// clear erases every link that has moved where it was. A shard that leaves and is down is not waited
// for: nobody asks it any more.
func (m *Mover) clear(ctx context.Context, at Membership) error {
	pace := newPace(m.cfg.Rate)
	gone := map[string]bool{}
	return walk(ctx, m.cfg.Links, func(links []shortener.Record) error {
		return m.toEach(links, moving(at, links, toOld), func(name string, records []shortener.Record) (erased int, err error) {
			if gone[name] {
				return 0, nil
			}
			refs := make([]shortener.Ref, len(records))
			for i, r := range records {
				refs[i] = r.Ref
			}
			err = m.cfg.Shards.OnInstance(ctx, name, func(ctx context.Context, in *Instance) error {
				erased, err = in.Erase(ctx, at.epoch, refs)
				return err
			})
			pace.did(ctx, len(records))
			if err != nil && at.Leaving(name) && !errors.Is(err, ErrStaleEpoch) && ctx.Err() == nil {
				m.cfg.Logger.Warn("a shard that leaves is not emptied: it does not answer", "shard", name, "error", err)
				gone[name], err = true, nil
			}
			return erased, err
		})
	})
}

// toEach calls f with what concerns each shard, and counts.
func (m *Mover) toEach(links []shortener.Record, by map[string][]shortener.Record, f func(string, []shortener.Record) (int, error)) error {
	moved := 0
	for name, records := range by {
		n, err := f(name, records)
		if err != nil {
			return &ShardError{name, err}
		}
		moved += n
	}
	m.report(func(p *Progress) { p.Looked, p.Moved, p.Error = p.Looked+int64(len(links)), p.Moved+int64(moved), "" })
	return nil
}

func toNew(now, _ string) string    { return now }
func toOld(_, before string) string { return before }

// moving returns those of the links that move, by the shard that to chooses.
func moving(at Membership, links []shortener.Record, to func(now, before string) string) map[string][]shortener.Record {
	by := make(map[string][]shortener.Record)
	for _, r := range links {
		if now, before := at.Owner(r.Ref); before != "" {
			by[to(now, before)] = append(by[to(now, before)], r)
		}
	}
	return by
}

// onInstances is OnInstance for several shards at once: the context that f gets ends when any of them is
// found to be another one.
func (s *Shards) onInstances(ctx context.Context, names []string, f func(context.Context, map[string]*Instance) error) error {
	entered := make(map[string]*Instance, len(names))
	var enter func(context.Context, []string) error
	enter = func(ctx context.Context, names []string) error {
		if len(names) == 0 {
			return f(ctx, entered)
		}
		return s.OnInstance(ctx, names[0], func(ctx context.Context, in *Instance) error {
			entered[names[0]] = in
			return enter(ctx, names[1:])
		})
	}
	return enter(ctx, names)
}

// Progress returns how far the move under way is, or the last one was.
func (m *Mover) Progress() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.progress
}

func (m *Mover) report(change func(*Progress)) {
	m.mu.Lock()
	change(&m.progress)
	now := m.progress
	m.mu.Unlock()
	if m.cfg.OnProgress != nil {
		m.cfg.OnProgress(now)
	}
}
