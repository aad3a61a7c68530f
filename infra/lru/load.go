package lru

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// A flight is one load, and those who wait for it. The fields below done are written by the load alone,
// before done is closed.
type flight[V any] struct {
	key   string
	hash  uint64
	epoch uint64
	start int64
	done  chan struct{}

	value V
	ttl   time.Duration
	size  int64
	state State
	err   error
}

// PanicError is the error of everyone who waited for a load that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error tells what was panicked with, and where.
func (e *PanicError) Error() string { return fmt.Sprintf("load panicked: %v\n%s", e.Value, e.Stack) }

var errAborted = errors.New("load ended its goroutine without returning")

// Load returns the fresh value of key, loading it if the cache has none.
//
// The function load returns the value and for how long it is fresh: 0 means the TTL of the cache, which
// is also the most it can be, less than 0 means that it is not to be cached. A ttl shorter than
// that of the cache is for negative answers, and such an entry is never used stale.
//
// Only one load of a key runs at a time, and all who ask for it meanwhile share its result. It
// belongs to none of them: its context has the values of ctx, but not its end, so load must bound its own
// time. A caller whose ctx ends stops waiting, and the load goes on. (If ctx can never end, the load
// runs in the caller's goroutine.)
//
// If load fails, or ctx ends first, and the cache has an entry that is Stale, the answer is that
// entry, Stale, and no error: load has seen its own error, and is the place to count or log it.
// Otherwise the error is that of load or ctx. A panic in load is never hidden that way: it reaches
// everyone who waited as a *PanicError.
func (c *Cache[V]) Load(
	ctx context.Context, key string, load func(context.Context) (V, time.Duration, error),
) (V, State, error) {
	s, hash := c.locate(key)
	if e, state := c.look(s, hash, key); state == Fresh {
		return c.hit(e), Fresh, nil
	}
	if ctx.Err() != nil {
		return c.instead(s, hash, key, context.Cause(ctx))
	}
	e, f, joined := c.join(s, hash, key)
	switch {
	case e != nil:
		return c.hit(e), Fresh, nil
	case joined:
		c.counters.mine().shared.Add(1)
	case ctx.Done() == nil:
		c.run(ctx, s, f, load)
	default:
		go c.run(context.WithoutCancel(ctx), s, f, load) // awaited below, and by Wait
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return c.instead(s, hash, key, context.Cause(ctx))
	}
	if f.err != nil {
		return c.instead(s, hash, key, f.err)
	}
	return f.value, f.state, nil
}

func (c *Cache[V]) hit(e *entry[V]) V {
	e.touch()
	c.counters.mine().hits.Add(1)
	return e.value
}

// instead answers for a load that gave nothing but err.
func (c *Cache[V]) instead(s *shard[V], hash uint64, key string, err error) (V, State, error) {
	var none V
	if _, panicked := errors.AsType[*PanicError](err); panicked {
		return none, Miss, err
	}
	e, state := c.look(s, hash, key)
	if state == Miss {
		return none, Miss, err
	}
	e.touch()
	if state == Stale {
		c.counters.mine().fallbacks.Add(1)
	}
	return e.value, state, nil
}

// join returns the entry of key if it has become fresh, or else the flight that will bring it. Unless
// joined, that flight is new, and the caller's to run.
func (c *Cache[V]) join(s *shard[V], hash uint64, key string) (e *entry[V], f *flight[V], joined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, state := c.look(s, hash, key); state == Fresh {
		return e, nil, false
	}
	epoch := c.epoch.Load()
	if f := s.flights[key]; f != nil && f.epoch == epoch {
		return nil, f, true
	}
	f = &flight[V]{
		key:   strings.Clone(key),
		hash:  hash,
		epoch: epoch,
		start: c.clock.now(),
		done:  make(chan struct{}),
		err:   errAborted,
	}
	s.flights[f.key] = f
	c.loading.Add(1)
	c.counters.mine().loads.Add(1)
	return nil, f, false
}

func (c *Cache[V]) run(ctx context.Context, s *shard[V], f *flight[V], load func(context.Context) (V, time.Duration, error)) {
	defer c.loading.Done()
	defer c.land(s, f)
	defer func() {
		if p := recover(); p != nil {
			f.err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	v, ttl, err := load(ctx)
	if err == nil {
		f.size = int64(max(0, c.size(f.key, v)))
	}
	f.value, f.ttl, f.err = v, ttl, err
}

// land stores what f has brought, if it is still wanted, and lets go those who wait for it.
func (c *Cache[V]) land(s *shard[V], f *flight[V]) {
	if f.err != nil {
		c.counters.mine().failures.Add(1)
	}
	s.mu.Lock()
	// A flight that is not the one on record was invalidated or overtaken by ExpireAll.
	if s.flights[f.key] == f {
		delete(s.flights, f.key)
		if f.err == nil && f.ttl >= 0 {
			s.store(c.newEntry(f), c.clock.now())
		}
	}
	f.state = Fresh
	if f.epoch != c.epoch.Load() {
		f.state = Stale
	}
	s.mu.Unlock()
	close(f.done)
}
