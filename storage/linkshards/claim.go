package linkshards

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// ErrForeign says that a shard belongs to another installation. It is neither read nor written: two
// installations on one shard would overwrite each other's links.
var ErrForeign = errors.New("the shard belongs to another installation of snowlink")

// foreignError is ErrForeign with the owner. It wraps nothing: of an error that a connection is refused
// with, go-redis returns what it wraps.
type foreignError struct{ owner string }

func (e *foreignError) Error() string {
	return "it belongs to another installation of snowlink (" + e.owner + "): use an empty instance, or delete its key " +
		installationKey + " if that installation is gone"
}

// Is reports whether target is ErrForeign.
func (e *foreignError) Is(target error) bool { return target == ErrForeign }

// Claim connects to every shard, marks those that bear no mark as this installation's, and returns
// what went wrong: it joins a *ShardError for each shard that could not be reached, or that belongs to
// another installation, which is ErrForeign. Every later connection looks at the mark, too.
func (s *Shards) Claim(ctx context.Context) error {
	v := s.view.Load()
	return v.join(s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, _ int, in *instance) error { return in.client.Ping(ctx).Err() }))
}

// claim queues the commands that mark an instance that bears no mark, and returns that which reads it.
func claim(ctx context.Context, p redis.Pipeliner, installation string) *redis.StringCmd {
	if installation != "" {
		p.SetNX(ctx, installationKey, installation, 0)
	}
	return p.Get(ctx, installationKey)
}

// checkOwner tells whether an instance with this mark belongs to another installation.
func checkOwner(mark, installation string) error {
	if installation != "" && mark != "" && mark != installation {
		return &foreignError{mark}
	}
	return nil
}

// Admit returns what a client of other things that shards carry does on each new connection: it claims
// the instance for the installation, and refuses one that belongs to another. It is for
// redis.Options.OnConnect.
func Admit(installation string) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		var owner *redis.StringCmd
		_, err := conn.Pipelined(ctx, func(p redis.Pipeliner) error {
			owner = claim(ctx, p, installation)
			return nil
		})
		if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
			return err
		}
		return checkOwner(owner.Val(), installation)
	}
}
