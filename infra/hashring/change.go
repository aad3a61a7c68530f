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
	index := make(map[string]int, len(shards))
	for i := range next.shards {
		next.shards[i].Weight = max(1, next.shards[i].Weight)
		index[next.shards[i].Name] = i
	}
	held := make([][]int, len(shards)) // slots, by the new index
	var free []int
	for slot, owner := range r.owners {
		if i, stays := index[r.shards[owner].Name]; stays {
			held[i] = append(held[i], slot)
		} else {
			free = append(free, slot)
		}
	}
	quota := quotas(r, next, held)
	takers := newFiller(nil)
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

// sortByWish puts slots in the order of how strongly any of the takers wishes for them.
func (f *filler) sortByWish(slots []int) {
	wish := make(map[int]uint64, len(slots))
	for _, slot := range slots {
		wish[slot] = f.best(slot).score
	}
	slices.SortFunc(slots, func(a, b int) int { return cmp.Or(cmp.Compare(wish[b], wish[a]), cmp.Compare(a, b)) })
}

// quotas returns how many slots each shard of next is to own. One whose share has shrunk gets none, one
// whose share has grown loses none, and one whose share is as it was keeps what it has; within that
// each comes as near to its fair share as whole slots allow.
func quotas(r, next *Ring, held [][]int) []int {
	before := make(map[string]int, len(r.shards))
	for _, s := range r.shards {
		before[s.Name] = s.Weight
	}
	oldTotal, total := totalWeight(r.shards), totalWeight(next.shards)
	quota, grows, left := make([]int, len(held)), make([]int, len(held)), Slots
	for i, s := range next.shards {
		fair := Slots * s.Weight / total
		switch grows[i] = cmp.Compare(s.Weight*oldTotal, before[s.Name]*total); grows[i] {
		case 1:
			quota[i] = max(len(held[i]), fair)
		case -1:
			quota[i] = min(len(held[i]), fair)
		default:
			quota[i] = len(held[i])
		}
		left -= quota[i]
	}
	for ; left > 0; left-- { // to whom one more makes the least of a difference
		quota[extreme(next.shards, quota, +1, func(i int) bool { return grows[i] > 0 || grows[i] < 0 && quota[i] < len(held[i]) })]++
	}
	for ; left < 0; left++ { // from whom has the most
		quota[extreme(next.shards, quota, -1, func(i int) bool { return grows[i] < 0 && quota[i] > 0 || grows[i] > 0 && quota[i] > len(held[i]) })]--
	}
	return quota
}

// extreme returns which of the shards that may is the least loaded for its weight once it has one slot
// more (step +1), or the most loaded as it is (step -1).
func extreme(shards []Shard, quota []int, step int, may func(int) bool) int {
	best := -1
	for i, s := range shards {
		if !may(i) {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		load := max(step, 0)
		mine, theirs := (quota[i]+load)*shards[best].Weight, (quota[best]+load)*s.Weight
		if cmp.Or(step*cmp.Compare(mine, theirs), cmp.Compare(s.Name, shards[best].Name)) < 0 {
			best = i
		}
	}
	return best
}

func totalWeight(shards []Shard) (total int) {
	for _, s := range shards {
		total += s.Weight
	}
	return total
}
