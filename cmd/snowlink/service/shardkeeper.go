package service

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/hashring"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
	"snowlink/web/api"
)

// shardKeeper is the membership of the link shards as the api shows and changes it.
type shardKeeper struct {
	shards *shardSet
	kept   memberships
	events eventStore
	moves  *moveProgress
	lag    *atomic.Int64
}

// errFixedShards answers changes of shards that end with their process.
var errFixedShards = &shortener.Problem{
	Kind: shortener.Taken, Slug: "embedded-shards",
	Message: "The shards of this service are embedded in its process, and their number is set by --redis embedded:N at its start. Name shards on Redis to add and remove them.",
}

// Shards returns the membership, and how each shard is.
func (k *shardKeeper) Shards(ctx context.Context) (api.Shards, error) {
	m := k.shards.links.Membership()
	if !k.shards.volatile {
		newest, err := k.kept.Newest(ctx)
		if err != nil {
			return api.Shards{}, err
		}
		if err := k.shards.follower.take(newest); err != nil {
			return api.Shards{}, err
		}
		m = newest
	}
	out := api.Shards{Epoch: k.shards.links.Epoch(), Phase: string(linkshards.Settled), Slots: hashring.Slots, Lag: k.lag.Load(), Shards: []api.Shard{}}
	if m.Epoch() > 0 {
		out.Phase = string(m.Phase())
	}
	if out.Phase != string(linkshards.Settled) {
		out.Move = k.moves.read(ctx, m.Epoch())
	}
	for _, status := range k.shards.links.Status(ctx) {
		out.Shards = append(out.Shards, showShard(status))
	}
	return out, nil
}

func showShard(s linkshards.ShardStatus) api.Shard {
	shown := api.Shard{
		Name: s.Name, Address: s.Address, State: s.State, Weight: s.Weight, Slots: s.Slots, Share: s.Share, BytesPerLink: s.BytesPerLink(),
		Epoch: s.Epoch, Breaker: s.Breaker, Verified: s.Verified, Role: s.Role,
	}
	if s.Err != nil {
		shown.Error = reason(s.Err)
		return shown
	}
	shown.Keys = &s.Links
	if s.Bytes > 0 {
		shown.Bytes = &s.Bytes
	}
	return shown
}

// reason is the innermost cause of an error, which says in a few words what is wrong.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it does not answer in time"
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// ExplainShard tells where a link is kept, and what each shard has of it.
func (k *shardKeeper) ExplainShard(ctx context.Context, ref shortener.Ref) (api.ShardExplanation, error) {
	e := k.shards.links.Explain(ctx, ref)
	out := api.ShardExplanation{
		Domain: ref.Domain, Code: ref.Code, Key: e.Key, Slot: e.Slot, Owner: e.Owner, Before: e.Before, Epoch: e.Epoch, Found: []api.ShardCopy{},
	}
	for _, found := range e.Found {
		one := api.ShardCopy{Shard: found.Shard}
		if found.Err != nil {
			one.Error = reason(found.Err)
		} else if found.Version > 0 {
			one.Version = &found.Version
		}
		out.Found = append(out.Found, one)
	}
	if link, err := k.events.Link(ctx, ref); err == nil {
		out.Truth = &link.Version
	}
	return out, nil
}

// AddShard looks at a Redis and begins the move that takes it in. To ask again for what is under way is
// no error.
func (k *shardKeeper) AddShard(ctx context.Context, name, url string, weight int) (warnings []string, err error) {
	spec := linkshards.MemberSpec{Name: name, URL: url, Weight: weight}
	err = k.change(ctx, func(m linkshards.Membership) (next linkshards.Membership, err error) {
		if m.Joining(name) && has(m, spec) {
			return m, nil
		}
		if next, err = m.Add(spec); err != nil {
			return next, err
		}
		report, err := k.shards.links.Examine(ctx, spec)
		warnings = report.Warnings
		return next, err
	})
	return warnings, err
}

func has(m linkshards.Membership, spec linkshards.MemberSpec) bool {
	for _, s := range m.Members() {
		if s.Name == spec.Name && s.URL == spec.URL {
			return true
		}
	}
	return false
}

// RemoveShard begins the move that takes a shard out.
func (k *shardKeeper) RemoveShard(ctx context.Context, name string) error {
	return k.change(ctx, func(m linkshards.Membership) (linkshards.Membership, error) {
		if m.Leaving(name) {
			return m, nil
		}
		return m.Remove(name)
	})
}

// RebalanceShards begins the move that gives shards new weights.
func (k *shardKeeper) RebalanceShards(ctx context.Context, weights map[string]int) error {
	return k.change(ctx, func(m linkshards.Membership) (linkshards.Membership, error) { return m.Rebalance(weights) })
}

// change makes the next membership, keeps it and goes over to it. The mover does the rest. Of two changes
// at the same time one is refused.
func (k *shardKeeper) change(ctx context.Context, next func(linkshards.Membership) (linkshards.Membership, error)) error {
	if k.shards.volatile {
		return errFixedShards
	}
	m, err := k.kept.Newest(ctx)
	if err != nil {
		return err
	}
	after, err := next(m)
	if err != nil || after.Epoch() == m.Epoch() {
		return inTheWay(err)
	}
	if err := k.kept.Keep(ctx, after); err != nil {
		return inTheWay(err)
	}
	if err := k.shards.follower.take(after); err != nil {
		return err
	}
	if err := k.shards.links.Announce(ctx); err != nil {
		k.shards.follower.log.Warn("the new membership is not announced everywhere; who does not hear of it looks within a second", "error", err)
	}
	return nil
}

// inTheWay returns err, and a conflict as what it is to a caller who named no version: something that is in
// the way of the change.
func inTheWay(err error) error {
	if p, ok := errors.AsType[*shortener.Problem](err); ok && p.Kind == shortener.Conflict {
		return &shortener.Problem{Kind: shortener.Taken, Slug: "shards-conflict", Message: p.Message}
	}
	return err
}

// moveProgress is how far the move under way is, kept where all processes can read it.
type moveProgress struct {
	client *redis.Client
	key    string
	told   atomic.Int64 // when, in nanoseconds
}

// tell keeps the progress. It is told of each page, and keeps a few of them a second.
func (p *moveProgress) tell(progress linkshards.Progress) {
	const between, life = 200 * time.Millisecond, time.Minute
	now := time.Now().UnixNano()
	if last := p.told.Load(); now-last < int64(between) && progress.Looked > 0 || !p.told.CompareAndSwap(last, now) {
		return
	}
	raw, err := json.Marshal(progress)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	_ = p.client.Set(ctx, p.key, raw, life).Err() // it is there to be looked at, and for nothing else
}

// read returns the progress of an epoch: an empty one if none is known.
func (p *moveProgress) read(ctx context.Context, epoch uint64) *api.ShardMove {
	out := &api.ShardMove{WaitingFor: []string{}}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	raw, err := p.client.Get(ctx, p.key).Bytes()
	var progress linkshards.Progress
	if err != nil || json.Unmarshal(raw, &progress) != nil || progress.Epoch != epoch {
		return out
	}
	out.Looked, out.Links, out.Moved, out.StartedAt, out.Error = progress.Looked, progress.Links, progress.Moved, progress.Began.UTC(), progress.Error
	out.WaitingFor = append(out.WaitingFor, progress.Waiting...)
	if out.Rate = progress.Rate(time.Now()); out.Rate > 0 {
		left := max(0, float64(progress.Links-progress.Looked)/out.Rate)
		out.SecondsLeft = &left
	}
	return out
}
