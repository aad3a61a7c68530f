package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// Local limits each of many keys in the memory of this process. Make one with NewLocal. It is safe for
// concurrent use, and allocates nothing after NewLocal.
type Local struct {
	gcra   gcra
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
//
// No operation makes the least tat of a set smaller. A key that lost its bucket had the least; so when
// it comes back, the least that it is given is no smaller than what it had.
type set struct {
	mu     sync.Mutex
	hashes [ways]uint64
	tats   [ways]int64
	_      [8]byte
}

// NewLocal returns a table for at least maxKeys keys that are short of tokens at the same time; 0 means
// 65,536. Keys are spread over the table by chance, so some may be displaced when it is half full.
// It takes 18 bytes a key. Without now, time is the system's monotonic clock.
func NewLocal(limit Limit, maxKeys int, now func() time.Time) *Local {
	if maxKeys <= 0 {
		maxKeys = 1 << 16
	}
	l := &Local{
		gcra:   newGCRA(limit),
		seed:   maphash.MakeSeed(),
		sets:   make([]set, (maxKeys+ways-1)/ways),
		source: now,
		origin: time.Now(),
	}
	if now != nil {
		l.origin = now()
	}
	return l
}

// Allow spends cost tokens of key if it has as many, and none otherwise. A cost below 0 counts as 0.
func (l *Local) Allow(key string, cost int) Result {
	hash, s, now := l.locate(key)
	s.mu.Lock()
	way, known := s.find(hash)
	tat, wait := l.gcra.spend(s.tats[way], now, cost)
	// A key that was refused, or spent nothing, needs no bucket that it does not have.
	if wait == 0 && (known || cost > 0) {
		s.hashes[way], s.tats[way] = hash, tat
	}
	s.mu.Unlock()
	return l.gcra.result(tat, now, wait)
}

// Peek returns what Allow would return for key at a cost of 1, had it not spent that token.
func (l *Local) Peek(key string) Result {
	hash, s, now := l.locate(key)
	s.mu.Lock()
	way, _ := s.find(hash)
	tat := max(s.tats[way], now)
	s.mu.Unlock()
	_, wait := l.gcra.spend(tat, now, 1)
	return l.gcra.result(tat, now, wait)
}

func (l *Local) locate(key string) (uint64, *set, int64) {
	hash := maphash.String(l.seed, key)
	i, _ := bits.Mul64(hash, uint64(len(l.sets)))
	return hash, &l.sets[i], l.now()
}

func (l *Local) now() int64 {
	if l.source != nil {
		return int64(l.source().Sub(l.origin))
	}
	return int64(time.Since(l.origin)) // reads the monotonic clock alone, which is half the price
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
