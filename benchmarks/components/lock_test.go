package components

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"

	"snowlink/infra/lock"
)

// BenchmarkLock takes a name that is free and gives it back, on a Redis of its own.
func BenchmarkLock(b *testing.B) {
	client := startRedis(b)
	ctx := context.Background()
	const ttl = 10 * time.Second
	bsm := redislock.New(client)
	sync := redsync.New(goredis.NewPool(client))
	for _, peer := range []struct {
		name string
		once func(name string) bool
	}{
		{"snowlink", func(name string) bool { // with a fence, which the others have not
			lease, err := lock.Acquire(ctx, client, name, "bench", ttl)
			return err == nil && lease.Release(ctx) == nil
		}},
		{"redislock", func(name string) bool {
			l, err := bsm.Obtain(ctx, name, ttl, nil)
			return err == nil && l.Release(ctx) == nil
		}},
		{"redsync", func(name string) bool {
			m := sync.NewMutex(name, redsync.WithExpiry(ttl), redsync.WithTries(1))
			if m.LockContext(ctx) != nil {
				return false
			}
			ok, err := m.UnlockContext(ctx)
			return ok && err == nil
		}},
	} {
		var callers atomic.Int64
		bothWays(b, peer.name, func(int) func() bool {
			name := peer.name + strconv.FormatInt(callers.Add(1), 10)
			return func() bool { return peer.once(name) }
		})
	}
}
