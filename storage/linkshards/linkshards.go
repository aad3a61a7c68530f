package linkshards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/breaker"
	"snowlink/infra/hashring"
	"snowlink/shortener"
)

// Shard is one Redis instance. Its name is its identity: under another address it keeps its keys.
type Shard struct {
	Name   string
	Weight int // share of the keys relative to the others; 0 means 1
	Client *redis.Client
}

// Options configure Shards. The zero value is good.
type Options struct {
	ReadTimeout  time.Duration  // of one Get: 50 ms if 0
	WriteTimeout time.Duration  // of one Put, and of the versions asked of one shard: 250 ms if 0
	Breaker      breaker.Config // of each shard. OpenFor is 1 s if 0; OnChange is not used
	Logger       *slog.Logger   // slog.Default() if nil

	// Installation names whose the shards are. Those that bear another's name are not used; see Claim.
	// Nothing is checked if it is "", nor of shards that are fixed.
	Installation string
	// OtherKeys are what else the service keeps on the shards: they are not counted as links.
	OtherKeys []string
	// LateFor is for how long what is read is still trusted after a shard has shown to know a newer
	// membership than the one in use: 5 s if 0. Whom that takes for the owner of a link may not have
	// been told of its edits. It is to be less than what a move waits for processes that are late.
	LateFor time.Duration
	// OnStale, if not nil, is told when a shard refused a write because it knows of a newer
	// membership: get that and Adopt it. It must not block.
	OnStale func()
	// OnDoubt, if not nil, is told when a shard that was trusted is not any more: what was read from it
	// lately may be out of date. It must not block, nor call Shards.
	OnDoubt func()
	// OnCall, if not nil, is told of each call's operation (get, put, erase, behind), its result (hit,
	// miss, wrong, unverified, done, stale, refused, error) and how long it took.
	OnCall func(shard, operation, result string, took time.Duration)
	// OnState, if not nil, is told when a shard's breaker opens or closes.
	OnState func(shard string, to breaker.State)
}

func (o Options) withDefaults() Options {
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 50 * time.Millisecond
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 250 * time.Millisecond
	}
	if o.Breaker.OpenFor == 0 {
		o.Breaker.OpenFor = time.Second
	}
	if o.LateFor == 0 {
		o.LateFor = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Shards are the link shards of the membership that was adopted last. It is safe for concurrent use.
type Shards struct {
	opts  Options
	fixed bool // the membership never changes, and nobody else writes
	view  atomic.Pointer[view]
	heard chan struct{} // a membership or an instance's trust may have changed

	mu      sync.Mutex    // one Adopt at a time
	watched chan struct{} // closed when the view changes; under mu
}

// New returns shards that stay as they are, with the clients given, which belong to the caller. They
// hold nothing but what this process has put there, so that all is trusted and no epoch is checked.
// The error tells everything that is wrong with them.
func New(epoch uint64, shards []Shard, options Options) (*Shards, error) {
	s := newShards(options)
	s.fixed = true
	v := &view{late: new(atomic.Int64), phase: Settled}
	var owners []hashring.Shard
	for _, shard := range shards {
		owners = append(owners, hashring.Shard{Name: shard.Name, Weight: shard.Weight})
		v.all = append(v.all, s.fixedMember(shard))
	}
	var err error
	if v.ring, err = hashring.New(epoch, owners); err != nil {
		return nil, fmt.Errorf("link shards: %w", err)
	}
	v.now = v.all
	s.view.Store(v)
	return s, nil
}

// Open returns the shards of a membership. Connections are made when they are first needed. The caller
// closes what is returned, and keeps it up to date: see Run, Subscribe and Adopt.
func Open(m Membership, options Options) (*Shards, error) {
	s := newShards(options)
	if err := s.Adopt(m); err != nil {
		return nil, err
	}
	return s, nil
}

func newShards(options Options) *Shards {
	return &Shards{opts: options.withDefaults(), heard: make(chan struct{}, 1), watched: make(chan struct{})}
}

// Adopt goes over to a membership if it is newer than the one in use. Members of the same name and
// address keep their connections; those of members that are gone are closed when the calls under way
// have ended. It does not wait for any shard.
func (s *Shards) Adopt(m Membership) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.view.Load()
	switch {
	case s.fixed || m.epoch == 0:
		return errors.New("link shards: there is no membership to go over to")
	case was != nil && was.closed:
		return errClosed
	case was != nil && was.membership.epoch >= m.epoch:
		return nil
	}
	next, err := s.arrange(m, was)
	if err != nil {
		return fmt.Errorf("link shards of epoch %d: %w", m.epoch, err)
	}
	s.replace(was, next)
	return nil
}

// Close ends all connections once the calls under way have ended. Calls that come later fail. The
// clients given to New are left to their owner.
func (s *Shards) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.view.Load()
	if s.fixed || was.closed {
		return nil
	}
	closed := *was
	closed.closed, closed.all = true, nil
	s.replace(was, &closed)
	return nil
}

// replace makes next the view, and lets go the members that only the last one had.
func (s *Shards) replace(was, next *view) {
	s.view.Store(next)
	close(s.watched)
	s.watched = make(chan struct{})
	if was == nil {
		return
	}
	for _, m := range was.all {
		if !slices.Contains(next.all, m) {
			m.leave()
		}
	}
}

// watch returns the view and a channel that is closed when it is replaced.
func (s *Shards) watch() (*view, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Load(), s.watched
}

// Membership returns the membership in use; the zero Membership if the shards are fixed.
func (s *Shards) Membership() Membership { return s.view.Load().membership }

// Epoch returns the version of the membership in use.
func (s *Shards) Epoch() uint64 {
	v := s.view.Load()
	if s.fixed {
		return v.ring.Epoch()
	}
	return v.membership.epoch
}

// Owner returns the name of the shard that owns a link.
func (s *Shards) Owner(ref shortener.Ref) string { return s.view.Load().place(ref).now.name }

// ErrStaleEpoch says that a shard refused a write, because it knows of a newer membership than the
// one in use.
var ErrStaleEpoch = errors.New("the membership of the link shards is out of date")

var (
	errClosed = errors.New("the link shards are closed")
	errLeft   = errors.New("the shard left the membership")
)

// call runs one operation on a member: under its breaker and within the timeout. The result is for
// OnCall. An error of call is Unavailable. f may be called twice, and never after it reached a server.
func (s *Shards) call(ctx context.Context, on *member, operation string, timeout time.Duration,
	f func(context.Context, *instance) (result string, err error),
) error {
	begun := time.Now()
	var result string
	err := on.breaker.Do(ctx, func(ctx context.Context) (err error) {
		if deadline, has := ctx.Deadline(); !has || time.Until(deadline) > timeout { // a second timer would cost a microsecond
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return on.with(func(in *instance) error {
			if result, err = f(ctx, in); refused(err) {
				in.doubt(err)
			}
			return err
		})
	})
	if errors.Is(err, breaker.ErrOpen) {
		result = "refused"
	} else if err != nil {
		result = "error"
	}
	if s.opts.OnCall != nil {
		s.opts.OnCall(on.name, operation, result, time.Since(begun))
	}
	if err != nil {
		return unavailable(on, operation, err)
	}
	return nil
}

func unavailable(on *member, operation string, err error) error {
	return shortener.Errorf(shortener.Unavailable, "link shard %s does not answer", on.name).
		Wrap(fmt.Errorf("%s on link shard %s: %w", operation, on.name, err))
}
