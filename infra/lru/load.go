package lru

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// A flight is one load, and those who wait for it.
type flight[V any] struct {
	key   string
	hash  uint64
	epoch uint64
	start int64
	done  chan struct{}

	result[V] // for those who wait; this and state are written before done is closed, and never again
	state     State
}

// A result is what a load has come to.
type result[V any] struct {
	value V
	ttl   time.Duration
	size  int64
	err   error
}

// PanicError is the error of everyone who waited for a load that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error tells what was panicked with, and where.
func (e *PanicError) Error() string { return fmt.Sprintf("load panicked: %v\n%s", e.Value, e.Stack) }

// A LateError is returned by a load that takes too long to be waited for. Those who wait are let go with
// Err, or a stale entry in its place, as are all who come before the load has ended. Rest waits for
// what it brings, and is called once, in a goroutine of its own.
type LateError[V any] struct {
	Err  error
	Rest func() (V, time.Duration, error)
}

// Error is that of Err.
func (e *LateError[V]) Error() string { return e.Err.Error() }

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
// runs in the caller's goroutine.) A load that knows that it will take long returns a *LateError.
//
// If load fails, or ctx ends first, and the cache has an entry that is Stale, the answer is that
// entry, Stale, and no error: load has seen its own error, and is the place to count or log it.
// Otherwise the error is that of load or ctx. The next load waits for RetryAfter, unless the failed one
// came with a ttl less than 0: then it says nothing about the next. A panic in load is never hidden that
// way: it reaches everyone who waited as a *PanicError.
func (c *Cache[V]) Load(
	ctx context.Context, key string, load func(context.Context) (V, time.Duration, error),
) (V, State, error) {
	s, hash := c.locate(key)
	e, state := c.look(s, hash, key)
	switch {
	case state == Fresh:
		return c.hit(e), Fresh, nil
	case state == Stale && c.standsIn(e):
		c.retry(ctx, s, e, load)
		return c.fallBack(e), Stale, nil
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

func (c *Cache[V]) fallBack(e *entry[V]) V {
	e.touch()
	c.counters.mine().fallbacks.Add(1)
	return e.value
}

// instead answers for a load that gave nothing but err.
func (c *Cache[V]) instead(s *shard[V], hash uint64, key string, err error) (V, State, error) {
	var none V
	if _, panicked := errors.AsType[*PanicError](err); panicked {
		return none, Miss, err
	}
	e, state := c.look(s, hash, key)
	switch state {
	case Miss:
		return none, Miss, err
	case Stale:
		return c.fallBack(e), Stale, nil
	}
	e.touch()
	return e.value, state, nil
}

// standsIn reports whether e, which is stale, answers without waiting for a load: the last one failed, and
// nothing has happened since.
func (c *Cache[V]) standsIn(e *entry[V]) bool {
	failed := e.failed.Load()
	return failed != nil && failed.epoch == c.epoch.Load()
}

// retry loads e anew in the background, if it is time to.
func (c *Cache[V]) retry(ctx context.Context, s *shard[V], e *entry[V], load func(context.Context) (V, time.Duration, error)) {
	if failed := e.failed.Load(); failed != nil && c.clock.now() < failed.until {
		return
	}
	if fresh, f, joined := c.join(s, e.hash, e.key); fresh == nil && !joined {
		go c.run(context.WithoutCancel(ctx), s, f, load) // awaited by Wait
	}
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
		key:    strings.Clone(key),
		hash:   hash,
		epoch:  epoch,
		start:  c.clock.now(),
		done:   make(chan struct{}),
		result: result[V]{err: errAborted},
	}
	s.flights[f.key] = f
	c.loading.Add(1)
	c.counters.mine().loads.Add(1)
	return nil, f, false
}

func (c *Cache[V]) run(ctx context.Context, s *shard[V], f *flight[V], load func(context.Context) (V, time.Duration, error)) {
	over := true
	defer func() { // load may end the goroutine
		if over {
			c.land(s, f, f.result)
			c.loading.Done()
		}
		f.release(c)
	}()
	c.attempt(f.key, &f.result, func() (V, time.Duration, error) { return load(ctx) })
	if late, ok := errors.AsType[*LateError[V]](f.err); ok {
		f.err, over = late.Err, false
		go c.await(s, f, late) // awaited by Wait
	}
}

// await ends a flight whose passengers have left.
func (c *Cache[V]) await(s *shard[V], f *flight[V], late *LateError[V]) {
	defer c.loading.Done()
	r := result[V]{err: errAborted}
	defer func() { c.land(s, f, r) }()
	c.attempt(f.key, &r, late.Rest)
}

// attempt fills in the result of load.
func (c *Cache[V]) attempt(key string, r *result[V], load func() (V, time.Duration, error)) {
	defer func() {
		if p := recover(); p != nil {
			r.err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	v, ttl, err := load()
	if err == nil {
		r.size = int64(max(0, c.size(key, v)))
	}
	r.value, r.ttl, r.err = v, ttl, err
}

// release lets go those who wait.
func (f *flight[V]) release(c *Cache[V]) {
	f.state = Fresh
	if f.epoch != c.epoch.Load() {
		f.state = Stale
	}
	close(f.done)
}

// land stores what f has brought, if it is still wanted.
func (c *Cache[V]) land(s *shard[V], f *flight[V], r result[V]) {
	if r.err != nil {
		c.counters.mine().failures.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A flight that is not the one on record was invalidated or overtaken by ExpireAll.
	if s.flights[f.key] != f {
		return
	}
	delete(s.flights, f.key)
	if r.err == nil && r.ttl >= 0 {
		s.store(c.newEntry(f, r), c.clock.now())
		return
	}
	if e := s.table.Load().find(f.hash, f.key); e != nil {
		c.mark(e, f, r)
	}
}

// mark keeps with e that a load of it has failed, or that one has not.
func (c *Cache[V]) mark(e *entry[V], f *flight[V], r result[V]) {
	_, panicked := errors.AsType[*PanicError](r.err)
	switch {
	case r.err == nil || panicked: // the next one is to be waited for
		e.failed.Store(nil)
	case c.retryAfter > 0 && (r.ttl >= 0 || e.failed.Load() != nil):
		e.failed.Store(&failure{until: after(c.clock.now(), c.retryAfter), epoch: f.epoch})
	}
}
