package linkshards

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed fence.lua
var fenceSource string

var fenceScript = redis.NewScript(fenceSource)

func raise(ctx context.Context, client redis.Scripter, epoch uint64) error {
	return fenceScript.Run(ctx, client, []string{epochKey}, formatEpoch(epoch)).Err()
}

// ShardError is what went wrong on one shard.
type ShardError struct {
	Shard string
	Err   error
}

// Error names the shard.
func (e *ShardError) Error() string { return "link shard " + e.Shard + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ShardError) Unwrap() error { return e.Err }

// Fence makes an epoch known to every shard, whose writers of older epochs are refused from then on.
// The error joins a *ShardError for each shard that could not be told.
func (s *Shards) Fence(ctx context.Context, epoch uint64) error {
	v := s.view.Load()
	return v.join(s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, _ int, in *instance) error { return raise(ctx, in.client, epoch) }))
}

// Announce tells all who Subscribe that the membership, or the trust in an instance, has changed. The
// error joins a *ShardError for each shard that could not be asked to; one that could may be enough.
func (s *Shards) Announce(ctx context.Context) error {
	v := s.view.Load()
	return v.join(s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, _ int, in *instance) error {
		return in.client.Publish(ctx, membersChannel, formatEpoch(v.fence())).Err()
	}))
}

// onEach calls f with the place of every shard at once, whatever its breaker says, and returns the
// error of each.
func (s *Shards) onEach(ctx context.Context, v *view, timeout time.Duration, f func(context.Context, int, *instance) error) []error {
	errs := make([]error, len(v.all))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, m := range v.all {
		wg.Go(func() { errs[i] = m.with(func(in *instance) error { return f(ctx, i, in) }) })
	}
	wg.Wait()
	return errs
}

// join makes one error of those of each shard.
func (v *view) join(errs []error) error {
	var faults []error
	for i, err := range errs {
		if err != nil {
			faults = append(faults, &ShardError{v.all[i].name, err})
		}
	}
	return errors.Join(faults...)
}
