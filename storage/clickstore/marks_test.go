package clickstore

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRunsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r runs
		set := map[uint64]bool{}
		number := rapid.OneOf(rapid.Uint64Range(1, 30), rapid.Uint64Range(math.MaxUint64-3, math.MaxUint64))
		for _, n := range rapid.SliceOf(number).Draw(t, "numbers") {
			if got := r.has(n); got != set[n] {
				t.Fatalf("%v.has(%d) = %t, want %t", r, n, got, set[n])
			}
			r, set[n] = r.with(n), true
			if !r.has(n) {
				t.Fatalf("%v.has(%d) = false after it was added", r, n)
			}
		}
		count := uint64(0)
		for i, of := range r {
			count += of.last - of.first + 1
			if of.first > of.last || i > 0 && r[i-1].last+1 >= of.first {
				t.Fatalf("runs %v overlap or touch", r)
			}
		}
		if count != uint64(len(set)) {
			t.Fatalf("runs %v have %d numbers, want %d", r, count, len(set))
		}
	})
}

func TestNumbersInOrderAreOneRun(t *testing.T) {
	var r runs
	for n := range uint64(10_000) {
		r = r.with(n + 1)
	}
	if want := (runs{{1, 10_000}}); !slices.Equal(r, want) {
		t.Errorf("runs = %v, want %v", r, want)
	}
}
