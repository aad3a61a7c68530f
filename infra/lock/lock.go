// Package lock leases names in Redis (SET NX PX), with a fencing number that orders the holders.
//
// What it promises:
//
//   - While Redis remembers, a name has one holder, and a slot of a set has one holder.
//   - A holder learns of its loss, at the latest when its time has run out by its own monotonic clock, counted
//     from before Redis was asked: also when Redis is silent, and before Redis gives the name away.
//   - Fencing numbers rise from holder to holder, also over a Redis that was emptied, as long as its clock
//     does not go back.
//
// What no such lock can promise: a holder that was stopped (a long pause, a Redis that failed over or was emptied)
// may act while another holds the name. So what must not be done twice writes the fencing number along, and
// the store refuses a number below the highest it has seen.
package lock

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrHeld means that the name, or every slot, is held by others.
	ErrHeld = errors.New("lock: held")
	// ErrLost means that the lease ran out or was taken away before it was released.
	ErrLost = errors.New("lock: lease lost")
)

//go:embed acquire.lua
var acquireLua string

//go:embed renew.lua
var renewLua string

//go:embed release.lua
var releaseLua string

var (
	acquireScript = redis.NewScript(acquireLua)
	renewScript   = redis.NewScript(renewLua)
	releaseScript = redis.NewScript(releaseLua)
)

func fenceKey(name string) string { return name + ":fence" }

// SlotName returns the name of a slot, by which Acquire and Held know it.
func SlotName(prefix string, slot int) string { return prefix + ":" + strconv.Itoa(slot) }

func value(token string, fence int64) string { return token + ":" + strconv.FormatInt(fence, 10) }

// Acquire leases name for ttl, at least a millisecond. The error is ErrHeld, or that of Redis; after the
// latter the name may be taken until ttl has passed. The lease has to be kept alive by Lease.Run, or
// finished with within ttl, and is given back by Lease.Release. The holder is for people: Held tells it.
func Acquire(ctx context.Context, client redis.Scripter, name, holder string, ttl time.Duration) (*Lease, error) {
	return acquireAs(ctx, client, name, newToken(holder), ttl)
}

// AcquireAgain is Acquire for a holder of whom there is never more than one at a time, for a reason that the
// caller knows: what it held before it died it has again at once.
func AcquireAgain(ctx context.Context, client redis.Scripter, name, holder string, ttl time.Duration) (*Lease, error) {
	return acquireAs(ctx, client, name, tokenOf(holder), ttl)
}

func acquireAs(ctx context.Context, client redis.Scripter, name, token string, ttl time.Duration) (*Lease, error) {
	lease, _, err := acquire(ctx, client, []string{name}, fenceKey(name), token, ttl)
	if err != nil {
		return nil, fmt.Errorf("acquire %s: %w", name, err)
	}
	return lease, nil
}

// AcquireSlot leases one of n slots, numbered from 0: the wanted one if it is free, else the lowest free
// one. It is like Acquire otherwise. A slot that was released is free at once, one whose holder died when
// its ttl has passed.
func AcquireSlot(ctx context.Context, client redis.Scripter, prefix, holder string, n, wanted int, ttl time.Duration) (*Lease, int, error) {
	slots := make([]int, 0, n)
	if wanted >= 0 && wanted < n {
		slots = append(slots, wanted)
	}
	for slot := range n {
		if slot != wanted {
			slots = append(slots, slot)
		}
	}
	keys := make([]string, n)
	for i, slot := range slots {
		keys[i] = SlotName(prefix, slot)
	}
	lease, place, err := acquire(ctx, client, keys, fenceKey(prefix), newToken(holder), ttl)
	if err != nil {
		return nil, 0, fmt.Errorf("acquire one of %d slots %s: %w", n, prefix, err)
	}
	return lease, slots[place], nil
}

// acquire leases the first key that is free, and returns its place.
func acquire(ctx context.Context, client redis.Scripter, keys []string, fence, token string, ttl time.Duration) (*Lease, int, error) {
	if ttl < time.Millisecond {
		return nil, 0, fmt.Errorf("lock: time to live %v, want at least 1ms", ttl)
	}
	asked := time.Now()
	all := append(keys[:len(keys):len(keys)], fence)
	reply, err := acquireScript.Run(ctx, client, all, token, ttl.Milliseconds()).Int64Slice()
	if err != nil {
		return nil, 0, err
	}
	if len(reply) != 2 || reply[0] < 0 || int(reply[0]) > len(keys) {
		return nil, 0, fmt.Errorf("lock: reply %v", reply)
	}
	if reply[0] == 0 {
		return nil, 0, ErrHeld
	}
	place := int(reply[0]) - 1
	return newLease(client, keys[place], value(token, reply[1]), reply[1], ttl, asked), place, nil
}

// newToken returns a token that nobody else has, which begins with the holder.
func newToken(holder string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return tokenOf(holder) + "~" + hex.EncodeToString(b[:])
}

// tokenOf returns holder as far as a token may hold it.
func tokenOf(holder string) string { return strings.NewReplacer(":", "_", "~", "_").Replace(holder) }
