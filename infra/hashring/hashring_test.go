package hashring

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

func TestNewRefusesAMembershipThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		shards []Shard
		want   string
	}{
		"no shards":           {nil, "no shards"},
		"an empty name":       {[]Shard{{Name: "a"}, {Name: ""}}, "shard 1 has no name"},
		"a name given twice":  {[]Shard{{Name: "a"}, {Name: "a"}}, `shard "a" is given twice`},
		"a negative weight":   {[]Shard{{Name: "a", Weight: -1}}, "weight -1"},
		"a weight too great":  {[]Shard{{Name: "a", Weight: MaxWeight + 1}}, "weight 101"},
		"more than the slots": {make([]Shard, Slots+1), "more than"},
		"two faults, the 1st": {[]Shard{{Name: ""}, {Name: "a", Weight: -1}}, "no name"},
		"two faults, the 2nd": {[]Shard{{Name: ""}, {Name: "a", Weight: -1}}, "weight -1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(1, tc.shards)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// Where a key lives may never change: these were computed once and are written down.
func TestPlacementIsPinned(t *testing.T) {
	r := ring(t, named("a", "b", "c"))
	for key, want := range map[string]struct {
		slot  int
		owner string
	}{
		"":            {15313, "c"},
		"a":           {13459, "c"},
		"link:abc123": {10470, "b"},
		"a key that is longer than one stripe of the hash": {9655, "c"},
	} {
		slot, owner := r.Slot(key), r.Shards()[r.Owner(key)].Name
		if slot != want.slot || owner != want.owner {
			t.Errorf("%q: got slot %d on %q, want slot %d on %q", key, slot, owner, want.slot, want.owner)
		}
	}
}

func TestHashIsXXH64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(0, 200, 200).Draw(t, "s")
		if got, want := hash(s), xxhash.Sum64String(s); got != want {
			t.Fatalf("hash(%q): got %x, want %x", s, got, want)
		}
	})
}

func TestNoShardOwnsOver1_02TimesItsShare(t *testing.T) {
	for name, weight := range weighings {
		for _, n := range []int{3, 8, 64} {
			t.Run(fmt.Sprintf("%d shards of %s", n, name), func(t *testing.T) {
				r := ring(t, weighed(n, weight))
				slots := slotsByName(r)
				for name, share := range sharesByName(r) {
					if got := float64(slots[name]) / (share * Slots); got > 1.02 {
						t.Errorf("%s: got %.4f times the fair share, want 1.02 at most", name, got)
					}
				}
			})
		}
	}
}

// The greatest load for a weight cannot be less: to give a slot of any shard to any other one would
// make that as loaded at least.
func TestWeightsAreShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := drawShards(t, rapid.IntRange(1, 24).Draw(t, "n"))
		for i := range shards {
			shards[i].Weight = rapid.IntRange(0, MaxWeight).Draw(t, "weight")
		}
		r := ring(t, shards)
		slots := slotsByName(r)
		for _, a := range r.Shards() {
			for _, b := range r.Shards() {
				if slots[a.Name]*b.Weight > (slots[b.Name]+1)*a.Weight {
					t.Fatalf("got %d slots for %v and %d for %v", slots[a.Name], a, slots[b.Name], b)
				}
			}
		}
	})
}

func TestOrderOfShardsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := drawShards(t, rapid.IntRange(1, 10).Draw(t, "n"))
		shuffled := rapid.Permutation(slices.Clone(shards)).Draw(t, "shuffled")
		if moves := Moves(ring(t, shards), ring(t, shuffled)); len(moves) > 0 {
			t.Errorf("got %d moves, the first %+v, want none", len(moves), moves[0])
		}
	})
}

func TestMovesTellOfEveryKey(t *testing.T) {
	from, to := ring(t, named("a", "b", "c")), ring(t, named("d", "c", "a"))
	moved := map[int]Move{}
	for _, m := range Moves(from, to) {
		moved[m.Slot] = m
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		was, is := from.Shards()[from.Owner(key)].Name, to.Shards()[to.Owner(key)].Name
		m, ok := moved[from.Slot(key)]
		if ok != (was != is) || ok && (m.From != was || m.To != is) {
			t.Errorf("%q went from %s to %s, got move %+v (%t)", key, was, is, m, ok)
		}
	})
}

func TestShardsAreTheCallersOwn(t *testing.T) {
	given := named("a", "b")
	r := ring(t, given)
	given[0].Name = "changed"
	r.Shards()[1].Name = "changed"
	want := []Shard{{"a", 1}, {"b", 1}}
	if got := r.Shards(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.Epoch(); got != 7 {
		t.Errorf("got epoch %d, want 7", got)
	}
}

func TestOwnerDoesNotAllocate(t *testing.T) {
	r := ring(t, named("a", "b", "c"))
	if got := testing.AllocsPerRun(100, func() { r.Owner("link:abc123") }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkOwner(b *testing.B) {
	for _, key := range []string{"aB3dE5g7", "link:go.example.com/aB3dE5g7", strings.Repeat("k", 64)} {
		b.Run(fmt.Sprintf("%d bytes", len(key)), func(b *testing.B) {
			r := ring(b, named("a", "b", "c", "d", "e", "f", "g", "h"))
			b.ReportAllocs()
			for b.Loop() {
				r.Owner(key)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, n := range []int{3, 64} {
		b.Run(fmt.Sprintf("%d shards", n), func(b *testing.B) {
			shards := make([]Shard, n)
			for i := range shards {
				shards[i].Name = fmt.Sprint("shard-", i)
			}
			for b.Loop() {
				ring(b, shards)
			}
		})
	}
}

type fataler interface{ Fatalf(string, ...any) }

func ring(t fataler, shards []Shard) *Ring {
	r, err := New(7, shards)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return r
}

func named(names ...string) []Shard {
	shards := make([]Shard, len(names))
	for i, name := range names {
		shards[i].Name = name
	}
	return shards
}

// drawShards draws n names as people give them: a stem and a number.
func drawShards(t *rapid.T, n int) []Shard {
	stem := rapid.StringMatching(`[a-z]{1,8}-`).Draw(t, "stem")
	first := rapid.IntRange(0, 1<<20).Draw(t, "first")
	shards := make([]Shard, n)
	for i := range shards {
		shards[i].Name = fmt.Sprint(stem, first+i)
	}
	return shards
}
