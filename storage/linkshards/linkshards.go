// Package linkshards keeps the link shards: copies of all links in several Redis instances, from which
// edges answer what they do not have in memory.
//
// A shard is a view. What it holds may be lost, late or missing, and never wrong: each value begins
// with the link's version, and an older one never replaces a newer one, in whatever order writes
// arrive; each value holds the link's own ref, and one that is found under another key is not
// returned. Link values have no expiry.
//
// Under failure: a shard that is down is an error and never a miss, so that nobody concludes from
// silence that a link does not exist. Each shard has a breaker of its own, and a call obeys its
// deadline however the server hangs. Keys of a shard that is down stay its keys. Every change of a
// link is announced on the shard that holds it; who follows the announcements is told when it may
// have missed some.
package linkshards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

	// OnCall, if not nil, is told of each call's operation (get, put, behind), its result (hit, miss,
	// wrong, done, refused, error) and how long it took.
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
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Shards is one membership of shards. It is immutable and safe for concurrent use; its clients belong
// to whoever made them.
type Shards struct {
	ring   *hashring.Ring
	shards []*member
	opts   Options
}

// member is a shard with what guards it.
type member struct {
	Shard
	breaker *breaker.Breaker
}

// New returns the shards of an epoch. The error tells everything that is wrong with them.
func New(epoch uint64, shards []Shard, options Options) (*Shards, error) {
	s := &Shards{opts: options.withDefaults()}
	var members []hashring.Shard
	for _, shard := range shards {
		members = append(members, hashring.Shard{Name: shard.Name, Weight: shard.Weight})
		s.shards = append(s.shards, s.guard(shard))
	}
	ring, err := hashring.New(epoch, members)
	if err != nil {
		return nil, fmt.Errorf("link shards: %w", err)
	}
	s.ring = ring
	return s, nil
}

func (s *Shards) guard(shard Shard) *member {
	config := s.opts.Breaker
	config.OnChange = func(from, to breaker.State) {
		s.opts.Logger.Warn("link shard's breaker", "shard", shard.Name, "from", from.String(), "to", to.String())
		if s.opts.OnState != nil {
			s.opts.OnState(shard.Name, to)
		}
	}
	return &member{Shard: shard, breaker: breaker.New("link shard "+shard.Name, config)}
}

// Owner returns the name of the shard that holds a link.
func (s *Shards) Owner(ref shortener.Ref) string { return s.owner(ref).Name }

func (s *Shards) owner(ref shortener.Ref) *member { return s.shards[s.ring.Owner(ref.String())] }

// call runs one operation on a shard: under its breaker and within the timeout. The result is for
// OnCall. An error of call is Unavailable.
func (s *Shards) call(ctx context.Context, on *member, operation string, timeout time.Duration,
	f func(context.Context, *redis.Client) (result string, err error),
) error {
	begun := time.Now()
	var result string
	err := on.breaker.Do(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		result, err = f(ctx, on.Client)
		return err
	})
	if errors.Is(err, breaker.ErrOpen) {
		result = "refused"
	} else if err != nil {
		result = "error"
	}
	if s.opts.OnCall != nil {
		s.opts.OnCall(on.Name, operation, result, time.Since(begun))
	}
	if err != nil {
		return shortener.Errorf(shortener.Unavailable, "link shard %s does not answer", on.Name).
			Wrap(fmt.Errorf("%s on link shard %s: %w", operation, on.Name, err))
	}
	return nil
}
