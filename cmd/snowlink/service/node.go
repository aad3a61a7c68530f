package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/lock"
	"snowlink/shortener"
)

// The lease of a node's number: one of shortener.MaxNode+1 slots.
const (
	nodePrefix = "node"
	nodeTTL    = 15 * time.Second
)

// nodeCodes generates codes under a leased node number. While there is no lease no code is given: two
// processes with one number would give the same codes.
type nodeCodes struct {
	client    *redis.Client
	key       []byte
	notBefore time.Time
	current   atomic.Pointer[shortener.Codes]
	log       *slog.Logger
}

// Next returns a new identifier and its code.
func (n *nodeCodes) Next() (id, code string, err error) {
	codes := n.current.Load()
	if codes == nil {
		p := shortener.Errorf(shortener.Unavailable, "This process holds no lease on a node number: try again in a moment.")
		p.RetryAfter = time.Second
		return "", "", p
	}
	return codes.Next()
}

// lease takes a number and makes the generator for it. A number that is configured, 0 or more, needs no
// lease: whoever configured it answers for it.
func (n *nodeCodes) lease(ctx context.Context, configured int) (*lock.Lease, error) {
	if configured >= 0 {
		codes, err := shortener.NewCodes(configured, n.key, n.notBefore)
		n.current.Store(codes)
		return nil, err
	}
	held, node, err := lock.AcquireSlot(ctx, n.client, nodePrefix, shortener.MaxNode+1, nodeTTL)
	if err != nil {
		return nil, fmt.Errorf("lease a node number: %w", err)
	}
	codes, err := shortener.NewCodes(node, n.key, n.notBefore)
	if err != nil {
		return nil, errors.Join(err, held.Release(ctx))
	}
	n.current.Store(codes)
	return held, nil
}

// run keeps the lease, and takes another one if it is lost, until ctx ends. It gives the number back
// then.
func (n *nodeCodes) run(ctx context.Context, held *lock.Lease) error {
	for {
		err := held.Run(ctx)
		if last := n.current.Swap(nil); last != nil {
			n.notBefore = last.HighWater()
		}
		if ctx.Err() != nil {
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return held.Release(release)
		}
		n.log.Warn("the lease of the node number is lost; taking another", "error", err)
		for {
			if held, err = n.lease(ctx, -1); err == nil {
				break
			}
			if pause(ctx, time.Second); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// newestTime returns the time of the newest identifier of the event store, zero if there is none.
func newestTime(id int64) time.Time {
	if id == 0 {
		return time.Time{}
	}
	return shortener.IDTime(id)
}
