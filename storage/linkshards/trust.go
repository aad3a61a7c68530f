package linkshards

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	lookEvery   = time.Second            // how often Run looks at the instances
	lookTimeout = 500 * time.Millisecond // after which an instance that does not answer is given up
)

// Run looks at every shard each second, and as soon as Subscribe hears that something has changed,
// until ctx ends, and returns ctx's error. What it does is Recheck.
func (s *Shards) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.Recheck(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.heard:
		}
	}
	return ctx.Err()
}

// Recheck asks every shard whether its instance is verified, and which epoch it knows: one that knows
// an older one, because it was emptied, is told; of a newer one OnStale is told. The connections to one
// that does not answer are given up: another may take its place before it answers again, and new
// connections ask first who they reach.
func (s *Shards) Recheck(ctx context.Context) {
	if s.fixed {
		return
	}
	v := s.view.Load()
	var late atomic.Bool
	s.onEach(ctx, v, lookTimeout, func(ctx context.Context, _ int, in *instance) error {
		err := in.look(ctx, v.fence(), &late)
		if _, answered := errors.AsType[redis.Error](err); err != nil && !answered && !errors.Is(ctx.Err(), context.Canceled) {
			in.giveUp()
		}
		return err
	})
	if !late.Load() {
		v.late.Store(0)
		return
	}
	v.late.CompareAndSwap(0, time.Now().UnixNano())
	if s.opts.OnStale != nil && s.view.Load() == v {
		s.opts.OnStale()
	}
}

// tooLate reports whether shards have known of a newer membership for too long.
func (s *Shards) tooLate(v *view) bool {
	since := v.late.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > s.opts.LateFor
}

// look asks what Recheck wants to know of one instance, and sets late if it knows a newer epoch.
func (in *instance) look(ctx context.Context, epoch uint64, late *atomic.Bool) error {
	var (
		mark, known, owner *redis.StringCmd
		write              *redis.BoolCmd // of what is there already, mostly: it tells whether writes are taken
	)
	_, err := in.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		write = p.SetNX(ctx, epochKey, formatEpoch(epoch), 0)
		mark, known, owner = p.Get(ctx, verifiedKey), p.Get(ctx, epochKey), claim(ctx, p, in.of.opts.Installation)
		return nil
	})
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		return err
	}
	if err := checkOwner(owner.Val(), in.of.opts.Installation); err != nil {
		in.giveUp() // no new connection to it will be made
		return err
	}
	in.mu.Lock()
	in.judge(mark.Val())
	doubted := in.doubted != "" && in.doubted == mark.Val()
	in.mu.Unlock()
	if refused(write.Err()) {
		in.doubt(write.Err())
		return write.Err()
	}
	if doubted { // writes are taken again: the Verifier is to see that some were missed
		if err := dropScript.Run(ctx, in.client, []string{verifiedKey}, mark.Val()).Err(); err != nil {
			return err
		}
	}
	switch {
	case known.Val() == formatEpoch(epoch):
		return nil
	case newer(known.Val(), epoch):
		late.Store(true)
		return nil
	}
	return raise(ctx, in.client, epoch)
}
