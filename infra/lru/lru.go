// Package lru is a cache for values that are read far more often than they change: bounded in bytes,
// expiring, and loading what it lacks once, however many ask.
//
// It promises:
//
//   - a hit takes no lock, allocates nothing, and writes to no memory that other cores write to, save
//     the first hit of an entry since it was last considered for eviction;
//   - what it holds never exceeds MaxBytes, at no moment;
//   - one load a key runs at a time;
//   - an Invalidate or ExpireAll that races a load wins: what was read before it is never a fresh hit
//     after it;
//   - when a load fails, an entry that expired less than StaleFor ago answers instead of the error, and
//     goes on answering at once while further loads are tried behind its back, one each RetryAfter.
//     Negative answers are exempt from that: "there is none" is not said for want of an answer;
//   - keys that are asked for once (a crawl) push out only each other, not what is asked for again.
//
// Eviction is a segmented LRU. A new entry is on probation; when its turn to leave comes and it was hit
// meanwhile, it is moved to the protected segment, which has four fifths of the room, and whatever
// that pushes out goes back on probation. A hit only sets a mark; entries change places when room is
// needed, so that the order of recency is kept to within one round of the segment.
package lru

import (
	"context"
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Config says what a cache holds and for how long.
type Config[V any] struct {
	// MaxBytes bounds the sum over all entries of Size plus a fixed overhead. 0 means 64 MiB.
	// It is divided evenly among the shards; a value that is larger than a shard is not cached.
	MaxBytes int64

	// Shards is the number of parts that are locked apart, rounded up to a power of two. 0 means a few
	// for each processor, fewer if they would be small.
	Shards int

	// Size returns how many bytes an entry holds on to beyond its fixed overhead. It must always say
	// the same of the same entry. nil means the length of the key.
	Size func(key string, v V) int

	// TTL is how long an entry is fresh, and the most that a load can ask for. 0 means for ever.
	TTL time.Duration

	// StaleFor is for how long after it expired an entry may stand in for a load that fails. 0 means
	// not at all.
	StaleFor time.Duration

	// RetryAfter is how long, once a load has failed, a stale entry answers without another attempt. Later
	// attempts run in the background, one at a time and no two within RetryAfter, until one brings a
	// value or ExpireAll is called; nobody waits for them. 0 means that each Load tries and waits.
	RetryAfter time.Duration

	// Now tells the time. nil means a clock of the cache's own that is read once in 10 ms at most.
	Now func() time.Time
}

// State tells how much an answer is worth.
type State uint8

// The states of an answer.
const (
	Miss  State = iota // there is no answer
	Fresh              // within its ttl
	Stale              // expired, but not for longer than StaleFor
)

// String returns "miss", "fresh" or "stale".
func (s State) String() string { return [...]string{"miss", "fresh", "stale"}[s] }

// A Cache holds values of type V by key. Make one with New. It is safe for concurrent use.
type Cache[V any] struct {
	size       func(string, V) int
	ttl        time.Duration
	staleFor   time.Duration
	retryAfter time.Duration
	clock      clock
	seed       maphash.Seed
	shards     []shard[V]
	shift      int           // of a hash, to get the index of its shard
	epoch      atomic.Uint64 // counts the calls of ExpireAll
	loading    sync.WaitGroup
	counters   counters
}

// New returns an empty cache.
func New[V any](cfg Config[V]) *Cache[V] {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	n := shardCount(cfg.Shards, cfg.MaxBytes)
	c := &Cache[V]{
		size:       cfg.Size,
		ttl:        max(0, cfg.TTL),
		staleFor:   max(0, cfg.StaleFor),
		retryAfter: max(0, cfg.RetryAfter),
		clock:      newClock(cfg.Now),
		seed:       maphash.MakeSeed(),
		shards:     make([]shard[V], n),
		shift:      64 - bits.Len(uint(n-1)),
	}
	if c.size == nil {
		c.size = func(key string, _ V) int { return len(key) }
	}
	for i := range c.shards {
		c.shards[i].init(cfg.MaxBytes / int64(n))
	}
	return c
}

// shardCount returns a power of two: four for each processor, unless a shard were under 256 KiB.
func shardCount(want int, maxBytes int64) int {
	if want <= 0 {
		want = int(max(1, min(int64(4*runtime.GOMAXPROCS(0)), maxBytes>>18)))
	}
	return 1 << bits.Len(uint(want-1))
}

func (c *Cache[V]) locate(key string) (*shard[V], uint64) {
	hash := maphash.String(c.seed, key)
	return &c.shards[hash>>c.shift], hash
}

// Get returns what the cache holds for key. The value is to be used if the state is Fresh, and is good
// enough to fall back on if it is Stale. The key is not kept: it need only be valid during the call.
func (c *Cache[V]) Get(key string) (V, State) {
	s, hash := c.locate(key)
	e, state := c.look(s, hash, key)
	counted := c.counters.mine()
	switch state {
	case Fresh:
		e.touch()
		counted.hits.Add(1)
		return e.value, Fresh
	case Stale:
		e.touch() // it may be all there is, for as long as nothing can be loaded
		counted.stale.Add(1)
		return e.value, Stale
	}
	counted.misses.Add(1)
	var none V
	return none, Miss
}

// look returns the entry of key and what it is worth now. Without a value to give, that is Miss.
func (c *Cache[V]) look(s *shard[V], hash uint64, key string) (*entry[V], State) {
	e := s.table.Load().find(hash, key)
	if e == nil {
		return nil, Miss
	}
	now := c.clock.now()
	switch {
	case now < e.expires && e.epoch == c.epoch.Load():
		return e, Fresh
	case now < e.staleUntil:
		return e, Stale
	}
	return nil, Miss
}

// Invalidate drops the entry of key. A load of it that is under way will not be cached: those who
// already wait for it get its result, those who come after Invalidate start another.
func (c *Cache[V]) Invalidate(key string) {
	s, hash := c.locate(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, key)
	if e := s.table.Load().find(hash, key); e != nil {
		s.drop(e)
	}
}

// ExpireAll makes every entry stale, as is right when invalidations may have been missed. They go on
// standing in for failed loads until StaleFor after the end of their ttl. What a load under way
// brings is stale too, and those who come after ExpireAll start another.
func (c *Cache[V]) ExpireAll() { c.epoch.Add(1) }

// Len returns the number of entries, expired ones included.
func (c *Cache[V]) Len() int {
	n := 0
	c.each(func(s *shard[V]) { n += s.table.Load().live })
	return n
}

// Bytes returns what counts towards MaxBytes.
func (c *Cache[V]) Bytes() int64 {
	var n int64
	c.each(func(s *shard[V]) { n += s.bytes() })
	return n
}

func (c *Cache[V]) each(f func(*shard[V])) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		f(s)
		s.mu.Unlock()
	}
}

// Wait returns when no load is under way, or with the error of ctx. Call it after the last Load, to
// let loads whose callers have left come to their end.
func (c *Cache[V]) Wait(ctx context.Context) error {
	idle := make(chan struct{})
	go func() { // ends with the loads, the sooner of which Wait is there to await
		c.loading.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newEntry makes the entry of what f has brought. Its time runs from the start of the load: the value
// may have been read as early as that.
func (c *Cache[V]) newEntry(f *flight[V], r result[V]) *entry[V] {
	e := &entry[V]{hash: f.hash, key: f.key, value: r.value, epoch: f.epoch, size: r.size + overhead[V]()}
	ttl := r.ttl
	if ttl == 0 || c.ttl > 0 && ttl > c.ttl {
		ttl = c.ttl
	}
	e.expires = after(f.start, ttl)
	if ttl == c.ttl && c.staleFor > 0 {
		e.staleUntil = after(e.expires, c.staleFor)
	}
	return e
}

// after returns t + d, and the end of time if d is 0 or t is that already.
func after(t int64, d time.Duration) int64 {
	if d == 0 || t > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return t + int64(d)
}

// overhead is what an entry takes beside its key and what its value points to: itself, and its part of
// a table that is a quarter full.
func overhead[V any]() int64 {
	return int64(unsafe.Sizeof(entry[V]{})) + 4*int64(unsafe.Sizeof(uintptr(0)))
}
