package lru

import (
	"sync/atomic"
	"unsafe"
)

// Stats are counts since the cache was made.
type Stats struct {
	Hits      uint64 // fresh values given without a load
	Misses    uint64 // Gets that found nothing
	Stale     uint64 // Gets that found an entry that had expired
	Loads     uint64 // loads started
	Shared    uint64 // Loads that waited for the load of another
	Failures  uint64 // loads that returned an error or panicked
	Fallbacks uint64 // Loads that were answered by an entry that had expired
	Evictions uint64 // entries that made room for others
}

// Stats returns the counts. Those made while it runs may be missing.
func (c *Cache[V]) Stats() Stats {
	var sum Stats
	for i := range c.counters {
		from := &c.counters[i]
		sum.Hits += from.hits.Load()
		sum.Misses += from.misses.Load()
		sum.Stale += from.stale.Load()
		sum.Loads += from.loads.Load()
		sum.Shared += from.shared.Load()
		sum.Failures += from.failures.Load()
		sum.Fallbacks += from.fallbacks.Load()
	}
	c.each(func(s *shard[V]) { sum.Evictions += s.evictions })
	return sum
}

// counters are kept apart for different goroutines: cores that add to the same word wait for one
// another, and that wait would be the dearest part of a hit.
type counters [16]counterStripe

type counterStripe struct {
	hits, misses, stale, loads, shared, failures, fallbacks atomic.Uint64
	_                                                       [72]byte
}

// mine returns counters that few other goroutines use. Where its stack lies tells goroutines apart;
// which one it tells does not matter.
func (c *counters) mine() *counterStripe {
	var here byte
	stack := uint64(uintptr(unsafe.Pointer(&here))) >> 11
	return &c[stack*0x9E3779B97F4A7C15>>60]
}
