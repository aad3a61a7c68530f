package hashring_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"snowlink/infra/hashring"
)

func equalShards(n int) []hashring.Shard {
	shards := make([]hashring.Shard, n)
	for i := range shards {
		shards[i] = hashring.Shard{Name: fmt.Sprintf("shard-%d", i), Weight: 1}
	}
	return shards
}

func changed(t testing.TB, r *hashring.Ring, shards []hashring.Shard) *hashring.Ring {
	t.Helper()
	next, err := r.Change(r.Epoch()+1, shards)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// worstLoad returns the greatest number of slots of a shard beside its fair share, and how many slots
// over it that is.
func worstLoad(r *hashring.Ring) (ratio, over float64) {
	shards := r.Shards()
	slots, total := make([]int, len(shards)), 0
	for slot := range hashring.Slots {
		slots[r.OwnerOfSlot(slot)]++
	}
	for _, s := range shards {
		total += s.Weight
	}
	for i, s := range shards {
		fair := float64(hashring.Slots) * float64(s.Weight) / float64(total)
		ratio, over = max(ratio, float64(slots[i])/fair), max(over, float64(slots[i])-fair)
	}
	return ratio, over
}

func TestAddingMovesTheNewShardsShareAndNothingElse(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 63} {
		before, err := hashring.New(1, equalShards(n))
		if err != nil {
			t.Fatal(err)
		}
		after := changed(t, before, equalShards(n+1))
		moves, newest := hashring.Moves(before, after), fmt.Sprintf("shard-%d", n)
		for _, m := range moves {
			if m.To != newest {
				t.Fatalf("%d+1 shards: slot %d moves from %s to %s", n, m.Slot, m.From, m.To)
			}
		}
		if share := float64(len(moves)) / hashring.Slots; math.Abs(share-1/float64(n+1)) > 0.01 {
			t.Errorf("%d+1 shards: %.4f of the slots move, want %.4f ± 0.01", n, share, 1/float64(n+1))
		}
		if ratio, _ := worstLoad(after); ratio > 1.02 {
			t.Errorf("%d+1 shards: one has %.4f times its share, want 1.02 at most", n, ratio)
		}
	}
}

func TestRemovingMovesTheGoneShardsSlotsAndNothingElse(t *testing.T) {
	for _, n := range []int{2, 3, 8, 64} {
		before, err := hashring.New(1, equalShards(n))
		if err != nil {
			t.Fatal(err)
		}
		for gone := range n {
			after := changed(t, before, slices.Delete(equalShards(n), gone, gone+1))
			moves := hashring.Moves(before, after)
			for _, m := range moves {
				if m.From != fmt.Sprintf("shard-%d", gone) {
					t.Fatalf("%d-1 shards: slot %d moves from %s to %s", n, m.Slot, m.From, m.To)
				}
			}
			if share := float64(len(moves)) / hashring.Slots; math.Abs(share-1/float64(n)) > 0.01 {
				t.Errorf("%d-1 shards: %.4f of the slots move, want %.4f ± 0.01", n, share, 1/float64(n))
			}
			if ratio, _ := worstLoad(after); ratio > 1.02 {
				t.Errorf("%d-1 shards: one has %.4f times its share, want 1.02 at most", n, ratio)
			}
		}
	}
}

// Any sequence of changes keeps the table balanced, and moves a slot only from a shard whose share has
// shrunk to one whose share has grown.
func TestChangesMoveOnlyWhatTheyMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := equalShards(rapid.IntRange(1, 16).Draw(t, "shards"))
		for i := range shards {
			shards[i].Weight = rapid.IntRange(1, 10).Draw(t, "weight")
		}
		ring, err := hashring.New(1, shards)
		if err != nil {
			t.Fatal(err)
		}
		for step := range rapid.IntRange(1, 6).Draw(t, "changes") {
			shards = drawChange(t, shards, step)
			next, err := ring.Change(ring.Epoch()+1, shards)
			if err != nil {
				t.Fatal(err)
			}
			checkMoves(t, ring, next)
			if ratio, over := worstLoad(next); ratio > 1.02 && over > 2 {
				t.Fatalf("a shard has %.4f times its share, %.1f slots over it: %v", ratio, over, shards)
			}
			ring = next
		}
	})
}

func drawChange(t *rapid.T, shards []hashring.Shard, step int) []hashring.Shard {
	shards = slices.Clone(shards)
	i := rapid.IntRange(0, len(shards)-1).Draw(t, "which")
	switch rapid.SampledFrom([]string{"add", "remove", "reweigh"}).Draw(t, "change") {
	case "add":
		one := hashring.Shard{Name: fmt.Sprintf("new-%d", step), Weight: rapid.IntRange(1, 10).Draw(t, "weight")}
		return slices.Insert(shards, i, one)
	case "remove":
		if len(shards) > 1 {
			return slices.Delete(shards, i, i+1)
		}
	default:
		shards[i].Weight = rapid.IntRange(1, 10).Draw(t, "weight")
	}
	return shards
}

func checkMoves(t *rapid.T, from, to *hashring.Ring) {
	share := func(r *hashring.Ring, name string) float64 {
		var mine, total int
		for _, s := range r.Shards() {
			if total += s.Weight; s.Name == name {
				mine = s.Weight
			}
		}
		return float64(mine) / float64(total)
	}
	for _, m := range hashring.Moves(from, to) {
		if share(to, m.From) >= share(from, m.From) {
			t.Fatalf("slot %d leaves %s, whose share has not shrunk", m.Slot, m.From)
		}
		if share(to, m.To) <= share(from, m.To) {
			t.Fatalf("slot %d goes to %s, whose share has not grown", m.Slot, m.To)
		}
	}
}

func TestTheSameChangeIsMadeAlike(t *testing.T) {
	before, err := hashring.New(1, equalShards(5))
	if err != nil {
		t.Fatal(err)
	}
	a := changed(t, before, equalShards(6))
	shuffled := equalShards(6)
	slices.Reverse(shuffled)
	if moves := hashring.Moves(a, changed(t, before, shuffled)); len(moves) > 0 {
		t.Errorf("%d slots have another owner when the shards are named in another order", len(moves))
	}
	if moves := hashring.Moves(a, changed(t, a, equalShards(6))); len(moves) > 0 {
		t.Errorf("%d slots move though nothing has changed", len(moves))
	}
}

func TestARingOutlivesJSON(t *testing.T) {
	for _, n := range []int{1, 3, 256, 257} {
		first, err := hashring.New(7, equalShards(n))
		if err != nil {
			t.Fatal(err)
		}
		ring := changed(t, first, equalShards(n+1))
		raw, err := json.Marshal(ring)
		if err != nil {
			t.Fatal(err)
		}
		var read hashring.Ring
		if err := json.Unmarshal(raw, &read); err != nil {
			t.Fatalf("%d shards: %v", n, err)
		}
		if read.Epoch() != ring.Epoch() || !slices.Equal(read.Shards(), ring.Shards()) || len(hashring.Moves(ring, &read)) > 0 {
			t.Errorf("%d shards: the ring is another one after JSON", n)
		}
	}
}

func TestWhatIsNoRingIsRefused(t *testing.T) {
	whole := `{"version":1,"epoch":1,"shards":[{"name":"a","weight":1}],"owners":"AAAA"}`
	for name, text := range map[string]string{
		"another form":    `{"version":2,"shards":[{"name":"a","weight":1}],"owners":""}`,
		"no shards":       `{"version":1,"shards":[],"owners":""}`,
		"a name twice":    `{"version":1,"shards":[{"name":"a","weight":1},{"name":"a","weight":1}],"owners":""}`,
		"no weight":       `{"version":1,"shards":[{"name":"a"}],"owners":""}`,
		"a short table":   whole,
		"a broken table":  `{"version":1,"shards":[{"name":"a","weight":1}],"owners":"%"}`,
		"something else":  `[]`,
		"an unknown form": `{}`,
	} {
		var r hashring.Ring
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzRingJSON(f *testing.F) {
	ring, err := hashring.New(1, equalShards(3))
	if err != nil {
		f.Fatal(err)
	}
	raw, err := json.Marshal(ring)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"version":1,"shards":[{"name":"a","weight":1}],"owners":"AA=="}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r hashring.Ring
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		for slot := range hashring.Slots {
			if r.OwnerOfSlot(slot) >= len(r.Shards()) {
				t.Fatalf("slot %d belongs to nobody", slot)
			}
		}
	})
}
