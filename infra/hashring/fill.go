package hashring

import (
	"cmp"
	"slices"
)

// A claim is one shard's wish for one slot. Higher scores win, on both sides.
type claim struct {
	score uint64
	slot  int
	shard int
}

// filler gives every slot the shard that scores highest for it (rendezvous hashing: Thaler and
// Ravishankar, 1998), save that no shard takes more than its capacity: one that is asked for more keeps
// the slots it scores highest for, and the rest ask their next choice. That is deferred acceptance
// (Gale and Shapley, 1962); its outcome does not depend on the order in which slots ask or shards are
// named.
type filler struct {
	shards   []Shard
	index    []int // of each shard in its ring
	seeds    []uint64
	capacity []int
	held     [][]claim // by shard
}

// add makes one more shard take part.
func (f *filler) add(s Shard, index, capacity int) {
	f.shards, f.index = append(f.shards, s), append(f.index, index)
	f.seeds, f.capacity = append(f.seeds, hash(s.Name)), append(f.capacity, capacity)
	f.held = append(f.held, nil)
}

// place gives every one of slots a shard. The capacities must add up to their number or more.
func (f *filler) place(slots []int) {
	for _, slot := range slots {
		f.take(f.best(slot))
	}
	for f.settle() {
	}
}

// write enters the outcome into a table.
func (f *filler) write(owners *[Slots]uint16) {
	for shard, claims := range f.held {
		for _, c := range claims {
			owners[c.slot] = uint16(f.index[shard])
		}
	}
}

func (f *filler) take(c claim) { f.held[c.shard] = append(f.held[c.shard], c) }

// settle sends away what is over capacity, and reports whether anything was.
func (f *filler) settle() bool {
	var refused []claim
	for shard, claims := range f.held {
		if len(claims) <= f.capacity[shard] {
			continue
		}
		slices.SortFunc(claims, f.compare)
		refused = append(refused, claims[f.capacity[shard]:]...)
		f.held[shard] = claims[:f.capacity[shard]]
	}
	for _, c := range refused {
		f.take(f.after(c))
	}
	return len(refused) > 0
}

// best is the first choice of slot.
func (f *filler) best(slot int) claim {
	top := f.claim(slot, 0)
	for shard := 1; shard < len(f.shards); shard++ {
		if c := f.claim(slot, shard); f.compare(c, top) < 0 {
			top = c
		}
	}
	return top
}

// after is the next choice of a slot that was refused. There always is one: while a slot is without a
// shard, some shard has room, and whoever has room has refused nobody.
func (f *filler) after(refused claim) claim {
	var next claim
	found := false
	for shard := range f.shards {
		c := f.claim(refused.slot, shard)
		if f.compare(c, refused) > 0 && (!found || f.compare(c, next) < 0) {
			next, found = c, true
		}
	}
	return next
}

// claim draws one lot for each unit of weight and keeps the best: a shard of weight 3 then wins three
// times as often as one of weight 1, and a change of weight moves slots only to or from that shard.
// Lots, and not the usual logarithm, because floating point need not round alike on every machine.
func (f *filler) claim(slot, shard int) claim {
	c := claim{slot: slot, shard: shard}
	for lot := range f.shards[shard].Weight {
		c.score = max(c.score, avalanche(f.seeds[shard]^avalanche(uint64(lot*Slots+slot)*prime1+prime5)))
	}
	return c
}

// compare orders claims from the strongest to the weakest, never calling two of them equal.
func (f *filler) compare(a, b claim) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	if a.shard != b.shard {
		return cmp.Compare(f.shards[a.shard].Name, f.shards[b.shard].Name)
	}
	return cmp.Compare(a.slot, b.slot)
}
