package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/lock"
)

// singletonTTL is after how long another process takes a singleton over from one that died.
const singletonTTL = 6 * time.Second

// lockPrefix is that of singletons' names in the coordination store.
const lockPrefix = "lock:"

// singleton is work that one process of an installation does at a time: whoever holds the lock of its
// name.
type singleton struct {
	name   string
	holder string // this process
	client *redis.Client
	log    *slog.Logger
	work   []func(ctx context.Context) error // done together
}

// run does the work whenever the lock can be had, until ctx ends. While the coordination store does not
// answer nobody can hold the lock, and nobody works: what singletons do can wait.
func (s singleton) run(ctx context.Context) error {
	for ctx.Err() == nil {
		lease, err := lock.Acquire(ctx, s.client, lockPrefix+s.name, s.holder, singletonTTL)
		if err == nil {
			err = s.hold(ctx, lease)
		}
		if err != nil && !errors.Is(err, lock.ErrHeld) && ctx.Err() == nil {
			s.log.Warn("singleton", "name", s.name, "error", err)
		}
		pause(ctx, time.Second)
	}
	return ctx.Err()
}

// hold works until the lease is lost or ctx ends, and gives it back.
func (s singleton) hold(ctx context.Context, lease *lock.Lease) error {
	held := newLoops(make(chan error, len(s.work)), s.log)
	defer context.AfterFunc(lease.Context(), held.cancel)()
	for _, work := range s.work {
		held.start(s.name, work)
	}
	err := lease.Run(ctx)
	held.stop()
	if ctx.Err() == nil {
		return err
	}
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return lease.Release(release)
}
