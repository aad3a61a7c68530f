package lru

import (
	"math/bits"
	"sync/atomic"
)

// A table is a hash table with open addressing that one goroutine changes while others read it. An
// entry stays in the slot where it was put; a removed one leaves a mark there, and marks go when
// the table is copied. So a reader may miss what was put in or removed while it was reading, and
// nothing else.
type table[V any] struct {
	slots   []atomic.Pointer[entry[V]]
	removed *entry[V] // the mark
	live    int       // entries
	used    int       // entries and marks: at most half of the slots, so that every search ends
}

func newTable[V any](entries int) *table[V] {
	n := 1 << bits.Len(uint(max(8, 3*entries)))
	return &table[V]{slots: make([]atomic.Pointer[entry[V]], n), removed: new(entry[V])}
}

func (t *table[V]) find(hash uint64, key string) *entry[V] {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := t.slots[i].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e.key == key && e != t.removed {
			return e
		}
	}
}

// with returns a table that has e, whose key t does not have: t itself if there is room.
func (t *table[V]) with(e *entry[V]) *table[V] {
	if 2*(t.used+1) > len(t.slots) {
		t = t.copied()
	}
	t.add(e)
	return t
}

// copied returns a table with the entries of t, room for more and no marks.
func (t *table[V]) copied() *table[V] {
	c := newTable[V](t.live + 1)
	for i := range t.slots {
		if e := t.slots[i].Load(); e != nil && e != t.removed {
			c.add(e)
		}
	}
	return c
}

func (t *table[V]) add(e *entry[V]) {
	mask := uint64(len(t.slots) - 1)
	i := e.hash & mask
	for was := t.slots[i].Load(); was != nil && was != t.removed; was = t.slots[i].Load() {
		i = (i + 1) & mask
	}
	if t.slots[i].Load() == nil {
		t.used++
	}
	t.live++
	t.slots[i].Store(e)
}

func (t *table[V]) replace(old, e *entry[V]) { t.slots[t.slotOf(old)].Store(e) }

// remove takes e out. A mark is only needed where a search may have to go on.
func (t *table[V]) remove(e *entry[V]) {
	mask := len(t.slots) - 1
	i := t.slotOf(e)
	t.live--
	t.slots[i].Store(t.removed)
	if t.slots[(i+1)&mask].Load() != nil {
		return
	}
	for ; t.slots[i].Load() == t.removed; i = (i - 1) & mask {
		t.slots[i].Store(nil)
		t.used--
	}
}

func (t *table[V]) slotOf(e *entry[V]) int {
	mask := len(t.slots) - 1
	i := int(e.hash) & mask
	for t.slots[i].Load() != e {
		i = (i + 1) & mask
	}
	return i
}
