package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Lease is a name held for a while. Its methods are safe for concurrent use.
type Lease struct {
	client redis.Scripter
	key    string
	value  string
	fence  int64
	ttl    time.Duration

	ctx    context.Context // until the lease is lost or released
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	until  time.Time   // when it runs out, if it is not renewed
	silent time.Time   // when Redis failed to answer last; zero if it has answered since
	timer  *time.Timer // calls expire then
}

// newLease returns a lease whose time runs from asked, when Redis was asked for it.
func newLease(client redis.Scripter, key, value string, fence int64, ttl time.Duration, asked time.Time) *Lease {
	l := &Lease{client: client, key: key, value: value, fence: fence, ttl: ttl, until: asked.Add(ttl)}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.timer = time.AfterFunc(time.Until(l.until), l.expire)
	return l
}

// Fence returns the fencing number: higher than that of every earlier holder.
func (l *Lease) Fence() int64 { return l.fence }

// Context is done once the lease is lost or released. After a loss its cause is ErrLost.
func (l *Lease) Context() context.Context { return l.ctx }

// Lost is closed once the lease is lost or released.
func (l *Lease) Lost() <-chan struct{} { return l.ctx.Done() }

// Silent returns when Redis last failed to answer a renewal; the zero time if it answered the last one. A lease
// that runs out in silence is lost, and yet nobody may have been given the name.
func (l *Lease) Silent() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent
}

// Run renews the lease every third of its ttl until it is lost, which is ErrLost, or until it is released
// or ctx ends, which is nil. When ctx ends the lease lives on until it is released or runs out.
func (l *Lease) Run(ctx context.Context) error {
	timer := time.NewTimer(l.ttl / 3)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.ctx.Done():
			return l.lost()
		case <-timer.C:
		}
		switch err := l.renew(ctx); {
		case errors.Is(err, ErrLost):
			l.cancel(ErrLost)
		case err != nil: // Redis may answer again before the time is up
			timer.Reset(l.ttl / 10)
		default:
			timer.Reset(l.ttl / 3)
		}
	}
}

// renew asks Redis for another ttl.
func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	until := l.until
	l.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	asked := time.Now()
	ok, err := renewScript.Run(ctx, l.client, []string{l.key}, l.value, l.ttl.Milliseconds()).Int64()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.silent = time.Now()
		return fmt.Errorf("renew %s: %w", l.key, err)
	}
	l.silent = time.Time{}
	if ok == 0 {
		return ErrLost
	}
	l.until = asked.Add(l.ttl)
	l.timer.Reset(time.Until(l.until))
	return nil
}

// expire ends the lease unless it was renewed while the timer fired.
func (l *Lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := time.Until(l.until); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.cancel(ErrLost)
}

// lost is ErrLost, or nil if the lease was released.
func (l *Lease) lost() error {
	if err := context.Cause(l.ctx); errors.Is(err, ErrLost) {
		return err
	}
	return nil
}

// Release ends the lease and gives the name back. The error is ErrLost if it was not ours any more, or that
// of Redis; the name then becomes free when its ttl has passed. A second Release is ErrLost.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	l.timer.Stop()
	l.mu.Unlock()
	l.cancel(nil) // before another can hold it
	ok, err := releaseScript.Run(ctx, l.client, []string{l.key}, l.value).Int64()
	if err != nil {
		return fmt.Errorf("release %s: %w", l.key, err)
	}
	if ok == 0 {
		return ErrLost
	}
	return nil
}
