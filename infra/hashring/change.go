package hashring

import (
	"cmp"
	"fmt"
	"slices"
)

// Change returns the ring of the next membership, with the table made from this one by the fewest
// moves that balance it: a slot changes hands only from a shard whose share has shrunk, or that is
// gone, to one whose share has grown. So a shard that joins takes its share, one that leaves leaves
// its own, and between the others nothing moves. Which slots those are is decided by rendezvous
// hashing, so that every process that makes the same change has the same table; the table depends on
// the changes before, unlike that of New, and is to be kept with the membership.
//
// A shard keeps its slots by its name, whatever its place among shards. The errors are those of New.
func (r *Ring) Change(epoch uint64, shards []Shard) (*Ring, error) {
	if err := check(shards); err != nil {
		return nil, fmt.Errorf("hashring: %w", err)
	}
	next := &Ring{shards: slices.Clone(shards), epoch: epoch}
	for i := range next.shards {
		next.shards[i].Weight = max(1, next.shards[i].Weight)
	}
	held, free := r.kept(next.shards)
	quota := quotas(r.shards, next.shards, held)
	var takers filler
	for i, s := range next.shards {
		if room := quota[i] - len(held[i]); room > 0 {
			takers.add(s, i, room)
		}
	}
	for i := range held {
		if excess := len(held[i]) - quota[i]; excess > 0 {
			takers.sortByWish(held[i])
			free, held[i] = append(free, held[i][:excess]...), held[i][excess:]
		}
		for _, slot := range held[i] {
			next.owners[slot] = uint16(i)
		}
	}
	takers.place(free)
	takers.write(&next.owners)
	return next, nil
}

// kept returns the slots that each of shards owns in r, and those whose owner is not among them.
func (r *Ring) kept(shards []Shard) (held [][]int, free []int) {
	held = make([][]int, len(shards))
	if len(r.shards) == 0 {
		for slot := range Slots {
			free = append(free, slot)
		}
		return held, free
	}
	index := make(map[string]int, len(shards))
	for i, s := range shards {
		index[s.Name] = i
	}
	for slot := range Slots {
		if i, stays := index[r.OwnerName(slot)]; stays {
			held[i] = append(held[i], slot)
		} else {
			free = append(free, slot)
		}
	}
	return held, free
}

// sortByWish puts slots in the order of how strongly any of the takers wishes for them.
func (f *filler) sortByWish(slots []int) {
	wish := make(map[int]uint64, len(slots))
	for _, slot := range slots {
		wish[slot] = f.best(slot).score
	}
	slices.SortFunc(slots, func(a, b int) int { return cmp.Or(cmp.Compare(wish[b], wish[a]), cmp.Compare(a, b)) })
}
