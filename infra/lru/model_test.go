package lru

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// The model knows what every entry and every load under way must be. The cache of this test has room
// for all, so that the two must agree on each answer.
type model struct {
	cache   *Cache[int]
	now     int64
	epoch   int
	serial  int
	retry   int64 // RetryAfter
	entries map[string]modelEntry
	flights map[string]*modelFlight // what a new Load would join
	open    []*modelFlight
	answers chan answer
}

type modelEntry struct {
	value               int
	expires, staleUntil int64
	epoch               int

	failed      bool // a load of it has, in failedEpoch; the next is due at retry
	failedEpoch int
	retry       int64
}

type modelFlight struct {
	key     string
	epoch   int
	start   int64
	waiters int
	late    bool // it has let go those who waited
	outcome chan outcome
}

type outcome struct {
	value int
	ttl   time.Duration
	err   error
	late  bool
}

var errLate = errors.New("takes too long")

// next is what the load returns to the cache.
func (f *modelFlight) next() (int, time.Duration, error) {
	o := <-f.outcome
	if o.late {
		return 0, 0, &LateError[int]{Err: errLate, Rest: f.next}
	}
	return o.value, o.ttl, o.err
}

type answer struct {
	key   string
	value int
	state State
	err   error
}

const modelTTL, modelStale = 30, 60

func (m *model) worth(key string) (int, State) {
	e, ok := m.entries[key]
	switch {
	case !ok:
		return 0, Miss
	case m.now < e.expires && e.epoch == m.epoch:
		return e.value, Fresh
	case m.now < e.staleUntil:
		return e.value, Stale
	}
	return 0, Miss
}

func (m *model) get(t *rapid.T) {
	key := drawKey(t)
	v, state := m.cache.Get(key)
	if wantV, want := m.worth(key); v != wantV || state != want {
		t.Fatalf("Get(%s): got %d %v, want %d %v", key, v, state, wantV, want)
	}
}

// begin calls Load, and finds out whether the cache began a load, joined one, or had the answer.
func (m *model) begin(t *rapid.T) {
	key := drawKey(t)
	var began *modelFlight
	epoch, now := m.epoch, m.now
	go func() {
		v, state, err := m.cache.Load(t.Context(), key, func(context.Context) (int, time.Duration, error) {
			f := &modelFlight{key: key, epoch: epoch, start: now, outcome: make(chan outcome)}
			began = f
			return f.next()
		})
		m.answers <- answer{key, v, state, err}
	}()
	synctest.Wait()
	v, state := m.worth(key)
	e := m.entries[key]
	standsIn := state == Stale && e.failed && e.failedEpoch == m.epoch
	f := m.flights[key]
	joins := f != nil && f.epoch == m.epoch
	if wants := state != Fresh && !joins && (!standsIn || m.now >= e.retry); wants != (began != nil) {
		t.Fatalf("Load(%s): got a load of its own %t, want %t", key, began != nil, wants)
	}
	if began != nil {
		m.flights[key] = began
		m.open = append(m.open, began)
		f = began
	}
	switch {
	case state == Fresh || standsIn:
		m.expect(t, answer{key, v, state, nil})
	case f.late:
		m.expect(t, m.instead(key, errLate))
	default:
		f.waiters++
	}
}

// instead is the answer in the place of err.
func (m *model) instead(key string, err error) answer {
	v, state := m.worth(key)
	if state != Miss {
		err = nil
	}
	return answer{key, v, state, err}
}

// late lets go those who wait for a load.
func (m *model) late(t *rapid.T) {
	if len(m.open) == 0 {
		return
	}
	f := rapid.SampledFrom(m.open).Draw(t, "flight")
	if f.late {
		return
	}
	f.late = true
	f.outcome <- outcome{late: true}
	synctest.Wait()
	for ; f.waiters > 0; f.waiters-- {
		m.expect(t, m.instead(f.key, errLate))
	}
}

func (m *model) land(t *rapid.T) {
	if len(m.open) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "flight")
	f := m.open[i]
	m.open = append(m.open[:i], m.open[i+1:]...)
	m.serial++
	o := outcome{value: m.serial, ttl: rapid.SampledFrom([]time.Duration{0, 0, 5, 40, -1}).Draw(t, "ttl")}
	if rapid.IntRange(0, 2).Draw(t, "fails") == 0 {
		o = outcome{ttl: rapid.SampledFrom([]time.Duration{0, 0, -1}).Draw(t, "ttl of the failure"), err: errDown}
	}
	f.outcome <- o
	synctest.Wait()
	m.settle(f, o)
	want := answer{f.key, o.value, Fresh, nil}
	if f.epoch != m.epoch {
		want.state = Stale
	}
	if o.err != nil {
		want = m.instead(f.key, errDown)
	}
	for range f.waiters {
		m.expect(t, want)
	}
}

// settle puts into the model what a load that ended leaves behind.
func (m *model) settle(f *modelFlight, o outcome) {
	if m.flights[f.key] != f {
		return // it was invalidated or overtaken
	}
	delete(m.flights, f.key)
	if o.err != nil || o.ttl < 0 {
		if e, ok := m.entries[f.key]; ok {
			m.entries[f.key] = m.marked(e, f, o)
		}
		return
	}
	e := modelEntry{value: o.value, expires: f.start + modelTTL, epoch: f.epoch}
	e.staleUntil = e.expires + modelStale
	if o.ttl > 0 && o.ttl < modelTTL {
		e.expires, e.staleUntil = f.start+int64(o.ttl), 0
	}
	m.entries[f.key] = e
}

// marked is e after a load of it that has brought nothing to keep.
func (m *model) marked(e modelEntry, f *modelFlight, o outcome) modelEntry {
	if o.err == nil {
		e.failed = false
	} else if m.retry > 0 && (o.ttl >= 0 || e.failed) {
		e.failed, e.failedEpoch, e.retry = true, f.epoch, m.now+m.retry
	}
	return e
}

func (m *model) expect(t *rapid.T, want answer) {
	select {
	case got := <-m.answers:
		if got != want {
			t.Fatalf("Load: got %+v, want %+v", got, want)
		}
	default:
		t.Fatalf("Load: got no answer, want %+v", want)
	}
}

func (m *model) invalidate(t *rapid.T) {
	key := drawKey(t)
	m.cache.Invalidate(key)
	delete(m.entries, key)
	delete(m.flights, key)
}

func (m *model) expireAll(*rapid.T) {
	m.cache.ExpireAll()
	m.epoch++
}

func (m *model) advance(t *rapid.T) { m.now += int64(rapid.IntRange(1, 40).Draw(t, "by")) }

func (m *model) check(t *rapid.T) {
	if got, want := m.cache.Len(), len(m.entries); got != want {
		t.Fatalf("Len: got %d, want %d", got, want)
	}
	checkShards(t, m.cache)
}

// end lets all loads fail, so that no goroutine is left.
func (m *model) end() {
	for _, f := range m.open {
		f.outcome <- outcome{err: errDown}
	}
	synctest.Wait()
}

func drawKey(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
}

func TestCacheIsItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline of its own, and rapid asks a *testing.T for it.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			m := &model{
				entries: map[string]modelEntry{},
				flights: map[string]*modelFlight{},
				answers: make(chan answer, 1000),
				retry:   rapid.SampledFrom([]int64{0, 20}).Draw(t, "retry after"),
			}
			defer m.end()
			m.cache = New(Config[int]{
				TTL: modelTTL, StaleFor: modelStale, RetryAfter: time.Duration(m.retry), Shards: 2,
				Now: func() time.Time { return time.Unix(0, m.now) },
			})
			t.Repeat(map[string]func(*rapid.T){
				"get": m.get, "begin": m.begin, "late": m.late, "land": m.land, "advance": m.advance,
				"invalidate": m.invalidate, "expire all": m.expireAll, "": m.check,
			})
		})
	})
}

// Under a bound that is always reached, whatever is done, the bound holds and what is there is true.
func TestBoundHoldsAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(0)
		c := New(Config[int]{
			MaxBytes: rapid.Int64Range(100, 5000).Draw(t, "max"),
			Shards:   rapid.IntRange(1, 4).Draw(t, "shards"),
			TTL:      20,
			StaleFor: 20,
			Size:     func(_ string, v int) int { return v % 300 },
			Now:      func() time.Time { return time.Unix(0, now) },
		})
		truth := map[string]int{}
		key := func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "key")) }
		t.Repeat(map[string]func(*rapid.T){
			"load": func(t *rapid.T) {
				k, v := key(t), rapid.IntRange(0, 10_000).Draw(t, "value")
				if mustLoad(t, c, k, value(v)) == v {
					truth[k] = v
				}
			},
			"get": func(t *rapid.T) {
				k := key(t)
				if v, state := c.Get(k); state != Miss && v != truth[k] {
					t.Fatalf("Get(%s): got %d, want %d", k, v, truth[k])
				}
			},
			"invalidate": func(t *rapid.T) {
				k := key(t)
				c.Invalidate(k)
				if _, state := c.Get(k); state != Miss {
					t.Fatalf("Get(%s) after Invalidate: got %v, want miss", k, state)
				}
			},
			"advance": func(t *rapid.T) { now += int64(rapid.IntRange(1, 20).Draw(t, "by")) },
			"":        func(t *rapid.T) { checkShards(t, c) },
		})
	})
}

// checkShards compares all that is told twice: lists, table, counts and the bound.
func checkShards(t interface{ Fatalf(string, ...any) }, c *Cache[int]) {
	c.each(func(s *shard[int]) {
		table, listed := s.table.Load(), 0
		for _, segment := range []*segment[int]{&s.probation, &s.protected} {
			var bytes int64
			for e := segment.first; e != nil; e = e.next {
				if table.find(e.hash, e.key) != e {
					t.Fatalf("%q is in a list and not in the table", e.key)
				}
				bytes += e.size
				listed++
			}
			if bytes != segment.bytes {
				t.Fatalf("bytes of a segment: got %d, want %d", segment.bytes, bytes)
			}
		}
		if table.live != listed {
			t.Fatalf("entries in the table: got %d, want %d as listed", table.live, listed)
		}
		if s.bytes() > s.maxBytes {
			t.Fatalf("got %d bytes, want at most %d", s.bytes(), s.maxBytes)
		}
	})
}

// Writers change the truth and then invalidate; a reader that starts after that must never be told a
// value from before it, and no reader is ever told another key's value.
func TestInvalidationWinsEveryRace(t *testing.T) {
	const keys, rounds = 8, 4000
	c := New(Config[[2]int64]{MaxBytes: 6 * (overhead[[2]int64]() + 1), Shards: 1, TTL: time.Hour})
	var truth, floor [keys]atomic.Int64
	load := func(k int) func(context.Context) ([2]int64, time.Duration, error) {
		return func(context.Context) ([2]int64, time.Duration, error) {
			return [2]int64{int64(k), truth[k].Load()}, 0, nil
		}
	}
	check := func(k int, least int64, v [2]int64) {
		if v[0] != int64(k) || v[1] < least {
			t.Errorf("key %d: got value %d of key %d, want at least %d of %d", k, v[1], v[0], least, k)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				k := rand.IntN(keys)
				least := floor[k].Load()
				if v, state := c.Get(fmt.Sprint(k)); state == Fresh {
					check(k, least, v)
				}
				least = floor[k].Load()
				v, _, err := c.Load(t.Context(), fmt.Sprint(k), load(k))
				if err != nil {
					t.Errorf("Load: %v", err)
				}
				check(k, least, v)
				if got, most := c.Bytes(), 6*(overhead[[2]int64]()+1); got > most {
					t.Errorf("got %d bytes, want at most %d", got, most)
				}
			}
		})
	}
	for w := range 2 {
		wg.Go(func() {
			for i := range rounds {
				k := 2*rand.IntN(keys/2) + w // each key has one writer
				version := truth[k].Add(1)
				if i%64 == 0 {
					c.ExpireAll()
				} else {
					c.Invalidate(fmt.Sprint(k))
				}
				floor[k].Store(version)
			}
		})
	}
	wg.Wait()
}
