package hashring

import "cmp"

// quotas returns how many slots each of the shards is to own. One whose share has shrunk gains none,
// one whose share has grown loses none, and one whose share is as it was keeps what it has. Within
// that, what whole slots leave over goes where it makes the greatest load for a weight the least: the
// method of Jefferson and D'Hondt, by which seats are given to states and parties.
func quotas(before, shards []Shard, held [][]int) []int {
	d := division{shards: shards, quota: make([]int, len(shards)), least: make([]int, len(shards)), most: make([]int, len(shards))}
	trend, total := trends(before, shards), totalWeight(shards)
	left := Slots
	for i, s := range shards {
		d.least[i], d.most[i] = len(held[i]), len(held[i])
		if trend[i] < 0 {
			d.least[i] = 0
		}
		if trend[i] > 0 {
			d.most[i] = Slots
		}
		d.quota[i] = min(max(Slots*s.Weight/total, d.least[i]), d.most[i])
		left -= d.quota[i]
	}
	for ; left > 0; left-- {
		d.quota[d.pick(+1, d.lightest)]++
	}
	for ; left < 0; left++ {
		d.quota[d.pick(-1, d.heaviest)]--
	}
	return d.quota
}

// trends tells of each shard whether its share of the whole has shrunk (-1), grown (+1) or neither (0).
func trends(before, shards []Shard) []int {
	was := make(map[string]int, len(before))
	for _, s := range before {
		was[s.Name] = s.Weight
	}
	trend, totalBefore, total := make([]int, len(shards)), max(1, totalWeight(before)), totalWeight(shards)
	for i, s := range shards {
		trend[i] = cmp.Compare(s.Weight*totalBefore, was[s.Name]*total)
	}
	return trend
}

func totalWeight(shards []Shard) (total int) {
	for _, s := range shards {
		total += s.Weight
	}
	return total
}

// A division of the slots among shards, each within bounds of its own.
type division struct {
	shards             []Shard
	quota, least, most []int
}

// pick returns the first in order of the shards whose quota may change by step. There always is one:
// while too few slots are given away some share has grown, and while too many are, some shard has more
// than it must keep.
func (d *division) pick(step int, order func(i, j int) int) int {
	first := -1
	for i, q := range d.quota {
		if q+step < d.least[i] || q+step > d.most[i] {
			continue
		}
		if first < 0 || order(i, first) < 0 {
			first = i
		}
	}
	return first
}

// lightest orders shards by the load for their weight that each would have with one slot more.
func (d *division) lightest(i, j int) int {
	a, b := (d.quota[i]+1)*d.shards[j].Weight, (d.quota[j]+1)*d.shards[i].Weight
	return cmp.Or(cmp.Compare(a, b), cmp.Compare(d.shards[i].Name, d.shards[j].Name))
}

// heaviest orders shards by the load for their weight that each has, the greatest first.
func (d *division) heaviest(i, j int) int {
	a, b := d.quota[i]*d.shards[j].Weight, d.quota[j]*d.shards[i].Weight
	return cmp.Or(cmp.Compare(b, a), cmp.Compare(d.shards[i].Name, d.shards[j].Name))
}
