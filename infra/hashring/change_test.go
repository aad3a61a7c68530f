package hashring

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// weighings are the weights that the tables of tests are made with: of shard i.
var weighings = map[string]func(i int) int{
	"equal weights":  func(int) int { return 1 },
	"weights 1 to 4": func(i int) int { return 1 + i%4 },
}

func weighed(n int, weight func(i int) int) []Shard {
	shards := make([]Shard, n)
	for i := range shards {
		shards[i] = Shard{Name: fmt.Sprintf("shard-%d", i), Weight: weight(i)}
	}
	return shards
}

func TestAddingMovesTheNewShardsShareAndNothingElse(t *testing.T) {
	for name, weight := range weighings {
		for _, n := range []int{1, 2, 3, 8, 64} {
			shards := weighed(n+1, weight)
			for _, i := range []int{0, n / 2, n} {
				added := shards[i]
				before := ring(t, slices.Delete(slices.Clone(shards), i, i+1))
				after := change(t, before, shards)
				moves := Moves(before, after)
				for _, m := range moves {
					if m.To != added.Name {
						t.Fatalf("%s, %d shards and %s: slot %d moves from %s to %s", name, n, added.Name, m.Slot, m.From, m.To)
					}
				}
				checkShare(t, moves, added, shards)
				checkLoads(t, after)
			}
		}
	}
}

func TestRemovingMovesTheGoneShardsSlotsAndNothingElse(t *testing.T) {
	for name, weight := range weighings {
		for _, n := range []int{2, 3, 8, 64} {
			shards := weighed(n, weight)
			before := ring(t, shards)
			for i, gone := range shards {
				after := change(t, before, slices.Delete(slices.Clone(shards), i, i+1))
				moves := Moves(before, after)
				for _, m := range moves {
					if m.From != gone.Name {
						t.Fatalf("%s, %d shards without %s: slot %d moves from %s to %s", name, n, gone.Name, m.Slot, m.From, m.To)
					}
				}
				checkShare(t, moves, gone, shards)
				checkLoads(t, after)
			}
		}
	}
}

// checkShare wants the share of one of shards to have moved, ± 0.01.
func checkShare(t *testing.T, moves []Move, of Shard, shards []Shard) {
	t.Helper()
	got, want := float64(len(moves))/Slots, float64(of.Weight)/float64(totalWeight(shards))
	if math.Abs(got-want) > 0.01 {
		t.Errorf("%v of %d shards: got %.4f of the slots moved, want %.4f ± 0.01", of, len(shards), got, want)
	}
}

// What moves must: a change is any of shards that join, leave and are given other weights.
func TestChangesInARowMoveOnlyWhatTheyMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := drawShards(t, rapid.IntRange(1, 70).Draw(t, "n"))
		for i := range shards {
			shards[i].Weight = rapid.IntRange(0, 10).Draw(t, "weight")
		}
		r := ring(t, shards)
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			for change := range rapid.IntRange(1, 3).Draw(t, "changes") {
				shards = drawChange(t, shards, fmt.Sprintf("new-%d.%d", step, change))
			}
			next := change(t, r, rapid.Permutation(shards).Draw(t, "order"))
			checkMoves(t, r, next)
			checkLoads(t, next)
			r = next
		}
	})
}

func drawChange(t *rapid.T, shards []Shard, name string) []Shard {
	shards = slices.Clone(shards)
	i, weight := rapid.IntRange(0, len(shards)-1).Draw(t, "which"), rapid.IntRange(1, 10)
	switch rapid.SampledFrom([]string{"add", "remove", "reweigh"}).Draw(t, "change") {
	case "add":
		return append(shards, Shard{Name: name, Weight: weight.Draw(t, "weight")})
	case "remove":
		if len(shards) > 1 {
			return slices.Delete(shards, i, i+1)
		}
	case "reweigh":
		shards[i].Weight = weight.Draw(t, "weight")
	}
	return shards
}

// checkMoves wants slots to leave only shards whose share has shrunk, for such whose share has grown,
// and no more of them than the new numbers of slots ask for.
func checkMoves(t fataler, from, to *Ring) {
	had, has := slotsByName(from), slotsByName(to)
	was, is := sharesByName(from), sharesByName(to)
	moves, gains := Moves(from, to), 0
	for _, m := range moves {
		if is[m.From] >= was[m.From] {
			t.Fatalf("slot %d leaves %s, whose share has not shrunk", m.Slot, m.From)
		}
		if is[m.To] <= was[m.To] {
			t.Fatalf("slot %d goes to %s, whose share has not grown", m.Slot, m.To)
		}
	}
	for name := range has {
		gains += max(0, has[name]-had[name])
	}
	if len(moves) != gains {
		t.Fatalf("got %d moves, want the %d slots that shards have more than before", len(moves), gains)
	}
}

func slotsByName(r *Ring) map[string]int {
	slots := map[string]int{}
	for slot := range Slots {
		slots[r.OwnerName(slot)]++
	}
	return slots
}

func sharesByName(r *Ring) map[string]float64 {
	shares := map[string]float64{}
	for _, s := range r.Shards() {
		shares[s.Name] = float64(s.Weight) / float64(totalWeight(r.shards))
	}
	return shares
}

// checkLoads wants no shard to own over 1.02 times its fair share, or one slot over it.
func checkLoads(t fataler, r *Ring) {
	slots := slotsByName(r)
	for name, share := range sharesByName(r) {
		fair := share * Slots
		if got, want := float64(slots[name]), max(1.02*fair, fair+1); got > want {
			t.Fatalf("%s of %d shards: got %.0f slots, want at most %.1f", name, len(r.shards), got, want)
		}
	}
}

func TestTheSameChangeIsMadeAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := drawShards(t, rapid.IntRange(2, 10).Draw(t, "n"))
		before := ring(t, shards)
		for i := range shards {
			shards[i].Weight = rapid.IntRange(1, 10).Draw(t, "weight")
		}
		after := change(t, before, shards)
		if moves := Moves(after, change(t, before, rapid.Permutation(shards).Draw(t, "order"))); len(moves) > 0 {
			t.Errorf("%d slots have another owner when the shards are named in another order", len(moves))
		}
		if moves := Moves(after, change(t, after, shards)); len(moves) > 0 {
			t.Errorf("%d slots move though nothing has changed", len(moves))
		}
	})
}

func TestChangeRefusesAMembershipThatCannotBe(t *testing.T) {
	before := ring(t, named("a", "b"))
	if _, err := before.Change(8, named("a", "a")); err == nil {
		t.Error("a name given twice was taken")
	}
	if _, err := before.Change(8, nil); err == nil {
		t.Error("no shards were taken")
	}
}

func BenchmarkChange(b *testing.B) {
	for _, n := range []int{3, 64} {
		b.Run(fmt.Sprintf("%d shards and one", n), func(b *testing.B) {
			shards := weighed(n+1, weighings["equal weights"])
			before := ring(b, shards[:n])
			for b.Loop() {
				change(b, before, shards)
			}
		})
	}
}

func change(t fataler, r *Ring, shards []Shard) *Ring {
	next, err := r.Change(r.Epoch()+1, shards)
	if err != nil {
		t.Fatalf("Change: %v", err)
	}
	return next
}
