package ratelimit

import (
	"context"
	"time"
)

// Local limits each of many keys in the memory of this process. Make one with NewLocal. It is safe for
// concurrent use, and allocates nothing after NewLocal.
//
// No operation makes the least tat of a set smaller. A key that lost its bucket had the least; so when
// it comes back, the least that it is given is no smaller than what it had.
type Local struct {
	gcra gcra
	table
}

// NewLocal returns a table for at least maxKeys keys that are short of tokens at the same time; 0 means
// 65,536. Keys are spread over the table by chance, so some may be displaced when it is half full.
// It takes 18 bytes a key. Without now, time is the system's monotonic clock.
func NewLocal(limit Limit, maxKeys int, now func() time.Time) *Local {
	return &Local{newGCRA(limit), newTable(maxKeys, now)}
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
func (l *Local) Peek(key string) Result { return l.peek(key, 1) }

func (l *Local) peek(key string, cost int) Result {
	hash, s, now := l.locate(key)
	s.mu.Lock()
	way, _ := s.find(hash)
	tat := max(s.tats[way], now)
	s.mu.Unlock()
	_, wait := l.gcra.spend(tat, now, cost)
	return l.gcra.result(tat, now, wait)
}

// share is Allow, and without spend only tells, for one of so many processes that share the limit: what one
// spends counts as if all had spent as much.
func (l *Local) share(key string, cost, processes int, spend bool) Result {
	if cost > l.gcra.burst/processes {
		cost = l.gcra.burst + 1
	} else {
		cost *= processes
	}
	var r Result
	if spend {
		r = l.Allow(key, cost)
	} else {
		r = l.peek(key, cost)
	}
	r.Limit /= processes
	r.Remaining /= processes
	return r
}

// Alone is a Local in the place of a SharedLimit, for a process that shares its limits with no other.
type Alone struct{ *Local }

// Allow is Local's.
func (a Alone) Allow(_ context.Context, key string, cost int) Result { return a.Local.Allow(key, cost) }
