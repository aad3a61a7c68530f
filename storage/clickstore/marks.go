package clickstore

import "slices"

// run is a run of batch numbers, both ends included.
type run struct{ first, last uint64 }

// runs is a set of batch numbers: sorted runs that neither overlap nor touch. Batches arrive nearly
// in order, so it has few runs, whatever the number of batches; a number that never comes costs one
// run, not one a number behind it.
type runs []run

// find returns the index of the first run that ends at n or behind it.
func (r runs) find(n uint64) int {
	i, _ := slices.BinarySearchFunc(r, n, func(have run, n uint64) int {
		switch {
		case have.last < n:
			return -1
		case have.last > n:
			return 1
		}
		return 0
	})
	return i
}

func (r runs) has(n uint64) bool {
	i := r.find(n)
	return i < len(r) && r[i].first <= n
}

// with returns the set with n in it. r may not be used any more.
func (r runs) with(n uint64) runs {
	i := r.find(n)
	if i < len(r) && r[i].first <= n {
		return r
	}
	joinsLeft := i > 0 && r[i-1].last+1 == n
	joinsRight := i < len(r) && r[i].first == n+1
	switch {
	case joinsLeft && joinsRight:
		r[i-1].last = r[i].last
		return slices.Delete(r, i, i+1)
	case joinsLeft:
		r[i-1].last = n
	case joinsRight:
		r[i].first = n
	default:
		return slices.Insert(r, i, run{n, n})
	}
	return r
}
