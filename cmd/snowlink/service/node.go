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
	nodePrefix = "node:" // followed by the installation
	nodeTTL    = 15 * time.Second
)

// nodeCodes generates codes under a leased node number. A number that was lost to somebody is not used
// any more: two processes with one number would give the same codes. While the coordination store cannot
// be asked nobody can take the number, and it is kept: links are made on. Should that store come back
// empty and give the number away before it is taken again, the event store still refuses a code twice, and
// the next one is tried.
type nodeCodes struct {
	client    *redis.Client
	prefix    string // of the slots
	key       []byte
	notBefore time.Time
	current   atomic.Pointer[leasedCodes]
	log       *slog.Logger
}

// leasedCodes is a generator and what its number rests on.
type leasedCodes struct {
	*shortener.Codes
	node  int
	lease *lock.Lease // nil: the number is configured
	alone atomic.Bool // the store of the lease does not answer
}

// usable reports whether nobody else can have the number.
func (l *leasedCodes) usable() bool {
	return l.lease == nil || l.alone.Load() || l.lease.Context().Err() == nil
}

// Next returns a new identifier and its code.
func (n *nodeCodes) Next() (id, code string, err error) {
	codes := n.current.Load()
	if codes == nil || !codes.usable() {
		p := shortener.Errorf(shortener.Unavailable, "This process holds no lease on a node number: try again in a moment.")
		p.RetryAfter = time.Second
		return "", "", p
	}
	return codes.Next()
}

// fix makes the generator for a number that is configured. Whoever configured it answers for it.
func (n *nodeCodes) fix(node int) error {
	codes, err := shortener.NewCodes(node, n.key, n.notBefore)
	if err != nil {
		return err
	}
	n.current.Store(&leasedCodes{Codes: codes, node: node})
	return nil
}

// lease takes a number and makes the generator for it, or goes on with the one there is for that number.
func (n *nodeCodes) lease(ctx context.Context) (*leasedCodes, error) {
	held, node, err := lock.AcquireSlot(ctx, n.client, n.prefix, shortener.MaxNode+1, nodeTTL)
	if err != nil {
		return nil, fmt.Errorf("lease a node number: %w", err)
	}
	next := &leasedCodes{node: node, lease: held}
	last := n.current.Load()
	if last != nil && last.node == node {
		next.Codes = last.Codes
	} else {
		if last != nil {
			n.notBefore = last.HighWater()
		}
		if next.Codes, err = shortener.NewCodes(node, n.key, n.notBefore); err != nil {
			return nil, errors.Join(err, held.Release(ctx))
		}
	}
	n.current.Store(next)
	return next, nil
}

// run takes a number and keeps it, and takes another one if it is lost, until ctx ends. It gives the
// number back then.
func (n *nodeCodes) run(ctx context.Context) error {
	for silent := false; ctx.Err() == nil; {
		held, err := n.lease(ctx)
		if err != nil {
			n.unleased(err, silent)
			silent = true
			pause(ctx, time.Second)
			continue
		}
		silent = false
		err = held.lease.Run(ctx)
		if ctx.Err() != nil {
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return held.lease.Release(release)
		}
		n.log.Warn("the lease of the node number is lost; taking one again", "error", err)
	}
	return ctx.Err()
}

// unleased says that there is no lease, and keeps the number if nobody can have it.
func (n *nodeCodes) unleased(err error, silent bool) {
	alone := !errors.Is(err, lock.ErrHeld)
	last := n.current.Load()
	if last != nil {
		last.alone.Store(alone)
	}
	if !silent {
		n.log.Warn("no lease on a node number", "links_are_made", alone && last != nil, "error", err)
	}
}

// newestTime returns the time of the newest identifier of the event store, zero if there is none.
func newestTime(id int64) time.Time {
	if id == 0 {
		return time.Time{}
	}
	return shortener.IDTime(id)
}
