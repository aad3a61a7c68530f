// Package hashring decides which of several named, weighted shards owns a key.
//
// A key hashes to one of 16,384 slots, as in a Redis cluster, and each slot has one owner, which a table
// tells. New fills the table from nothing, Change makes the next table from one that is in use:
//
//   - the table of New is a function of the names and weights alone: not of their order, the process
//     or the machine. The greatest load for a weight is the least that whole slots allow: shards of one
//     weight differ by one slot at most;
//   - a change moves slots only from shards whose share has shrunk to shards whose share has grown, and
//     no more than that takes: the share of a shard that joins or leaves, to it or from it, and nothing
//     between the others. After any number of changes no load is over 1.02 times its fair share, or one
//     slot over it where shares are so small that a slot is more than that;
//   - every process that makes the same table or change has the same outcome.
//
// A table cannot be balanced, move so little and still be a function of its members: that of Change
// depends on the one before. So whoever keeps a membership keeps the table with it, for which rings have
// a form in JSON.
//
// How many slots each shard owns is apportioned first (Jefferson, D'Hondt); which they are is decided by
// rendezvous hashing (Thaler and Ravishankar, 1998) with those numbers as capacities, so that what a
// shard takes or gives is spread evenly over the others.
//
// Moves names every slot that changes its owner between two rings; OwnerName answers for one slot.
//
// A Ring knows nothing of health: a shard that is down keeps its keys, and its owner is still the
// answer. Members change only by making the Ring of the next epoch.
package hashring

import (
	"errors"
	"fmt"
	"slices"
)

// Slots is the number of slots in every ring. It never changes: it is part of where a key lives.
const Slots = 1 << slotBits

const slotBits = 14

// MaxWeight is the greatest weight a shard can have.
const MaxWeight = 100

// A Shard is a member of the ring. Its name is its identity: a shard that is given a new address keeps
// its keys, one that is given a new name is another shard.
type Shard struct {
	Name   string
	Weight int // share of the slots relative to the other shards, up to MaxWeight; 0 means 1
}

// A Ring is one membership and the table that follows from it. It is immutable and safe for
// concurrent use.
type Ring struct {
	owners [Slots]uint16
	shards []Shard
	epoch  uint64
}

// New returns the ring of the given shards, filled from nothing: the table is a function of names and
// weights alone. The epoch is the version of the membership; it is carried and has no part in the
// placement. The error tells everything that is wrong with the shards: none or too many, an empty name,
// a name given twice, a weight outside of 0 to MaxWeight.
func New(epoch uint64, shards []Shard) (*Ring, error) {
	return new(Ring).Change(epoch, shards)
}

func check(shards []Shard) error {
	if len(shards) == 0 {
		return errors.New("no shards")
	}
	if len(shards) > Slots {
		return fmt.Errorf("%d shards are more than the %d slots", len(shards), Slots)
	}
	var errs []error
	seen := make(map[string]bool, len(shards))
	for i, s := range shards {
		switch {
		case s.Name == "":
			errs = append(errs, fmt.Errorf("shard %d has no name", i))
		case seen[s.Name]:
			errs = append(errs, fmt.Errorf("shard %q is given twice", s.Name))
		}
		if s.Weight < 0 || s.Weight > MaxWeight {
			errs = append(errs, fmt.Errorf("shard %q has weight %d, want 0 to %d", s.Name, s.Weight, MaxWeight))
		}
		seen[s.Name] = true
	}
	return errors.Join(errs...)
}

// Epoch returns the version that the ring was made with.
func (r *Ring) Epoch() uint64 { return r.epoch }

// Shards returns the members in the order they were given, each with its weight. The slice is the
// caller's.
func (r *Ring) Shards() []Shard { return slices.Clone(r.shards) }

// Slot returns the slot of key, from 0 to Slots-1. It is the same in every ring.
func (*Ring) Slot(key string) int { return int(hash(key) >> (64 - slotBits)) }

// Owner returns the index in Shards of the shard that owns key.
func (r *Ring) Owner(key string) int { return int(r.owners[r.Slot(key)]) }

// OwnerOfSlot returns the index in Shards of the shard that owns slot. It panics if slot is not from
// 0 to Slots-1.
func (r *Ring) OwnerOfSlot(slot int) int { return int(r.owners[slot]) }

// OwnerName returns the name of the shard that owns slot, by which the owners in two rings compare:
// a slot moves if and only if its names differ. It panics if slot is not from 0 to Slots-1.
func (r *Ring) OwnerName(slot int) string { return r.shards[r.owners[slot]].Name }

// A Move is a slot that changes its owner. From and To are names of shards.
type Move struct {
	Slot     int
	From, To string
}

// Moves returns every slot whose owner differs between two rings, in the order of slots. A key moves
// if and only if its slot is among them.
func Moves(from, to *Ring) []Move {
	var moves []Move
	for slot := range Slots {
		if a, b := from.OwnerName(slot), to.OwnerName(slot); a != b {
			moves = append(moves, Move{Slot: slot, From: a, To: b})
		}
	}
	return moves
}
