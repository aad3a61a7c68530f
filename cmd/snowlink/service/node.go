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

	leaseCall = 500 * time.Millisecond // for one attempt to take a number
	leaseWait = 2 * leaseCall          // for which a create waits for it

	// silence is for how long the last failure to ask for the number says that nobody else can: it is
	// asked for about every second. Who slept must ask first.
	silence = 6 * time.Second
)

// nodeCodes generates codes under a leased node number. A number that was lost to somebody is not used
// any more: two processes with one number would give the same codes. While the coordination store cannot
// be asked nobody can take the number, and it is kept: links are made on. When that store is back the same
// number is taken if it is free, else another. Should somebody have got the number meanwhile, the event
// store still refuses a code twice, and the next one is tried.
type nodeCodes struct {
	client    redis.Scripter
	prefix    string // of the slots
	holder    string // this process
	fixed     int    // the number that is configured; -1: any
	key       []byte
	notBefore time.Time
	current   atomic.Pointer[leasedCodes]
	log       *slog.Logger
}

// leasedCodes is a generator and what its number rests on.
type leasedCodes struct {
	*shortener.Codes
	node  int
	lease *lock.Lease // nil: the number is configured, and nobody could be asked whether it is somebody else's

	refused atomic.Bool               // all numbers are held by others
	asked   atomic.Pointer[time.Time] // when a number was last asked for in vain, with no answer
}

// usable reports whether nobody else can have the number, as far as can be known. A lease that was lost in
// silence goes on for as long as the silence does; one that was lost by an answer is somebody else's.
func (l *leasedCodes) usable() bool {
	if l.lease == nil || l.lease.Context().Err() == nil {
		return true
	}
	last := l.lease.Silent()
	if last.IsZero() || l.refused.Load() {
		return false
	}
	if asked := l.asked.Load(); asked != nil {
		last = *asked
	}
	return time.Since(last) < silence
}

// Next returns a new identifier and its code.
func (n *nodeCodes) Next() (id, code string, err error) {
	codes := n.current.Load()
	for deadline := time.Now().Add(leaseWait); (codes == nil || !codes.usable()) && time.Now().Before(deadline); codes = n.current.Load() {
		time.Sleep(20 * time.Millisecond) // a lease that was lost a moment ago is being taken again
	}
	if codes == nil || !codes.usable() {
		p := shortener.Errorf(shortener.Unavailable, "This process holds no lease on a node number: try again in a moment.")
		p.RetryAfter = time.Second
		return "", "", p
	}
	return codes.Next()
}

// fix takes the number that is configured. It is an error if another process has it. That nobody can be asked
// is none: whoever configured it answers for it then.
func (n *nodeCodes) fix(ctx context.Context) error {
	_, err := n.lease(ctx)
	if errors.Is(err, lock.ErrHeld) {
		return fmt.Errorf("--node-id %d is that of %s: give each process a number of its own, or none", n.fixed, n.whoHolds(ctx))
	}
	if err == nil {
		return nil
	}
	n.log.Warn("nobody can be asked whether the configured node number is somebody else's", "node", n.fixed, "error", err)
	codes, err := shortener.NewCodes(n.fixed, n.key, n.notBefore)
	if err == nil {
		n.current.Store(&leasedCodes{Codes: codes, node: n.fixed})
	}
	return err
}

func (n *nodeCodes) whoHolds(ctx context.Context) string {
	if client, ok := n.client.(redis.Cmdable); ok {
		if held, err := lock.Held(ctx, client, lock.SlotName(n.prefix, n.fixed)); err == nil && len(held) > 0 {
			return "process " + held[0].Holder
		}
	}
	return "another process"
}

// acquire takes a number: the configured one, or the wanted one if it is free.
func (n *nodeCodes) acquire(ctx context.Context, wanted int) (*lock.Lease, int, error) {
	if n.fixed < 0 {
		return lock.AcquireSlot(ctx, n.client, n.prefix, n.holder, shortener.MaxNode+1, wanted, nodeTTL)
	}
	// A process that was killed has its number again at once: its data folder is locked, so there is no other.
	held, err := lock.AcquireAgain(ctx, n.client, lock.SlotName(n.prefix, n.fixed), n.holder, nodeTTL)
	return held, n.fixed, err
}

// lease takes a number and makes the generator for it, or goes on with the one there is for that number.
func (n *nodeCodes) lease(ctx context.Context) (*leasedCodes, error) {
	attempt, cancel := context.WithTimeout(ctx, leaseCall)
	defer cancel()
	last, wanted := n.current.Load(), 0
	if last != nil {
		wanted = last.node
	}
	held, node, err := n.acquire(attempt, wanted)
	if err != nil {
		return nil, fmt.Errorf("lease a node number: %w", err)
	}
	next := &leasedCodes{node: node, lease: held}
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

// held returns the number there is, or takes one.
func (n *nodeCodes) held(ctx context.Context) (*leasedCodes, error) {
	if now := n.current.Load(); now != nil && now.lease != nil && now.lease.Context().Err() == nil {
		return now, nil
	}
	return n.lease(ctx)
}

// run takes a number and keeps it, and takes another one if it is lost, until ctx ends. It gives the
// number back then.
func (n *nodeCodes) run(ctx context.Context) error {
	for said := false; ctx.Err() == nil; {
		held, err := n.held(ctx)
		if err != nil {
			n.unleased(err, said)
			said = true
			pause(ctx, time.Second)
			continue
		}
		said = false
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
func (n *nodeCodes) unleased(err error, said bool) {
	last := n.current.Load()
	if last != nil {
		now := time.Now()
		last.asked.Store(&now)
		if errors.Is(err, lock.ErrHeld) {
			last.refused.Store(true)
		}
	}
	if !said {
		n.log.Warn("no lease on a node number", "links_are_made", last != nil && last.usable(), "error", err)
	}
}

// newestTime returns the time of the newest identifier of the event store, zero if there is none.
func newestTime(id int64) time.Time {
	if id == 0 {
		return time.Time{}
	}
	return shortener.IDTime(id)
}
