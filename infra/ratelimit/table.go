package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// A table keeps tats of keys, in nanoseconds since its origin. It never grows.
type table struct {
	seed   maphash.Seed
	sets   []set
	source func() time.Time
	origin time.Time
}

// ways is how many buckets a set has: as many as make it two cache lines, lock and all.
const ways = 7

// A set is the part of the table where the keys of some hashes have their buckets. A key is known by its
// hash alone: hashes are seeded by chance in each process, so nobody can aim at another's bucket,
// and among a million keys the odds that any two share one are 1 in 37 million.
type set struct {
	mu     sync.Mutex
	hashes [ways]uint64
	tats   [ways]int64
	_      [8]byte
}

func newTable(maxKeys int, now func() time.Time) table {
	if maxKeys <= 0 {
		maxKeys = 1 << 16
	}
	t := table{
		seed:   maphash.MakeSeed(),
		sets:   make([]set, (maxKeys+ways-1)/ways),
		source: now,
		origin: time.Now(),
	}
	if now != nil {
		t.origin = now()
	}
	return t
}

func (t *table) locate(key string) (uint64, *set, int64) {
	hash := maphash.String(t.seed, key)
	i, _ := bits.Mul64(hash, uint64(len(t.sets)))
	return hash, &t.sets[i], t.now()
}

func (t *table) now() int64 {
	if t.source != nil {
		return int64(t.source().Sub(t.origin))
	}
	return int64(time.Since(t.origin)) // reads the monotonic clock alone, which is half the price
}

// find returns where the bucket of hash is, or, if it has none, the one to take over: the fullest. One
// that was never used is as full as can be.
func (s *set) find(hash uint64) (way int, known bool) {
	for i := range s.hashes {
		if s.hashes[i] == hash {
			return i, true
		}
	}
	for i := range s.tats {
		if s.tats[i] < s.tats[way] {
			way = i
		}
	}
	return way, false
}

// heard returns the tat of a key, and the time. A key that has none here is taken for full.
func (t *table) heard(key string) (tat, now int64) {
	hash, s, now := t.locate(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if way, known := s.find(hash); known {
		return max(s.tats[way], now), now
	}
	return now, now
}

// hear keeps the tat of a key, in the place of one that is nearer to a full bucket. Calls that overtake each
// other may bring an older one last: the latest tat counts.
func (t *table) hear(key string, tat int64) {
	hash, s, _ := t.locate(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if way, _ := s.find(hash); s.tats[way] < tat {
		s.hashes[way], s.tats[way] = hash, tat
	}
}
