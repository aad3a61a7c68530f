package lru

import (
	"sync"
	"sync/atomic"
)

// An entry is read without a lock. What is above the line never changes once it is in a table.
type entry[V any] struct {
	hash       uint64
	key        string
	value      V
	expires    int64
	staleUntil int64
	epoch      uint64
	size       int64

	hot    atomic.Bool             // hit since it was last considered for eviction
	failed atomic.Pointer[failure] // of the last load of it, nil: none since it was stored

	segment    *segment[V] // this and the rest: guarded by the shard
	prev, next *entry[V]
}

// A failure makes its entry answer for loads until a time, in the epoch it happened in.
type failure struct {
	until int64
	epoch uint64
}

func (e *entry[V]) touch() {
	if !e.hot.Load() { // reading alone leaves the line in the caches of all cores
		e.hot.Store(true)
	}
}

// A segment is a list of entries, the last to come in first.
type segment[V any] struct {
	first, last *entry[V]
	bytes       int64
}

func (l *segment[V]) push(e *entry[V]) {
	e.segment, e.prev, e.next = l, nil, l.first
	if l.first != nil {
		l.first.prev = e
	} else {
		l.last = e
	}
	l.first = e
	l.bytes += e.size
}

func (l *segment[V]) remove(e *entry[V]) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.segment, e.prev, e.next = nil, nil, nil
	l.bytes -= e.size
}

// A shard holds the entries of one part of all hashes. All is guarded by mu, save that the table may be
// read without it.
type shard[V any] struct {
	table     atomic.Pointer[table[V]]
	mu        sync.Mutex
	flights   map[string]*flight[V]
	probation segment[V]
	protected segment[V]
	maxBytes  int64
	evictions uint64
	_         [64]byte // keeps the next shard's table out of this one's cache lines
}

func (s *shard[V]) init(maxBytes int64) {
	s.maxBytes = maxBytes
	s.flights = make(map[string]*flight[V])
	s.table.Store(newTable[V](0))
}

func (s *shard[V]) bytes() int64 { return s.probation.bytes + s.protected.bytes }

// drop takes e out of the shard.
func (s *shard[V]) drop(e *entry[V]) {
	s.table.Load().remove(e)
	e.segment.remove(e)
}

// store puts e in, in the place of the entry with its key if there is one, and evicts others as needed.
func (s *shard[V]) store(e *entry[V], now int64) {
	t := s.table.Load()
	old := t.find(e.hash, e.key)
	home := &s.probation
	if old != nil {
		home = old.segment
		home.remove(old)
		e.hot.Store(true) // it has expired, and was asked for again
	}
	if e.size > s.maxBytes {
		if old != nil {
			t.remove(old)
		}
		return
	}
	s.makeRoom(e.size, now)
	home.push(e)
	if old != nil {
		t.replace(old, e)
		return
	}
	s.table.Store(t.with(e))
}

// chances is how many hot entries one store may pass over: it bounds the time that the shard is locked
// when all entries are hot and there is nothing to choose between them.
const chances = 256

// makeRoom evicts until size bytes fit in.
func (s *shard[V]) makeRoom(size, now int64) {
	left := chances
	for s.bytes()+size > s.maxBytes {
		e := s.probation.last
		switch {
		case e == nil:
			s.move(s.protected.last, &s.probation)
		case s.spare(e, now, &left):
			s.move(e, &s.protected)
			s.trimProtected(now, &left)
		default:
			s.drop(e)
			s.evictions++
		}
	}
}

// trimProtected puts back on probation what is over the share of the protected segment.
func (s *shard[V]) trimProtected(now int64, left *int) {
	for s.protected.bytes > s.maxBytes/5*4 {
		e := s.protected.last
		if s.spare(e, now, left) {
			s.move(e, &s.protected)
		} else {
			s.move(e, &s.probation)
		}
	}
}

// spare reports whether e has earned to stay, and takes its mark: the next time it must be earned again.
func (s *shard[V]) spare(e *entry[V], now int64, left *int) bool {
	if *left == 0 || !e.hot.Load() || now >= max(e.expires, e.staleUntil) {
		return false
	}
	*left--
	e.hot.Store(false)
	return true
}

func (s *shard[V]) move(e *entry[V], to *segment[V]) {
	e.segment.remove(e)
	to.push(e)
}
