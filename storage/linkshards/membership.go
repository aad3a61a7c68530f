package linkshards

import (
	"errors"
	"maps"
	"slices"

	"snowlink/infra/hashring"
	"snowlink/shortener"
)

// Phase is how far a move of links between shards is.
type Phase string

// The phases. A move begins with Copying and ends with Settled.
const (
	Settled  Phase = "settled"  // every link is on its owner
	Copying  Phase = "copying"  // links that move are copied to their new owner; both are written to
	Clearing Phase = "clearing" // all are there; old copies are deleted
)

// Membership is which shards there are and which slots each owns, at one epoch. The zero value is
// none. It is immutable; every change is a Membership of the next epoch.
type Membership struct {
	epoch   uint64
	phase   Phase
	members []MemberSpec
	ring    *hashring.Ring
	before  *hashring.Ring // the owners before the move; nil if settled
}

// First returns the membership of epoch 1.
func First(members []MemberSpec) (Membership, error) {
	m := Membership{epoch: 1, phase: Settled}
	var errs []error
	for _, spec := range members {
		spec.Weight, spec.Joined = max(spec.Weight, 1), m.epoch
		errs = append(errs, checkSpec(spec))
		m.members = append(m.members, spec)
	}
	errs = append(errs, checkAddresses(m.members))
	var err error
	m.ring, err = hashring.New(m.epoch, ringShards(m.members, ""))
	if err := errors.Join(append(errs, err)...); err != nil {
		return Membership{}, err
	}
	return m, nil
}

// Epoch returns the version of the membership, 0 for none.
func (m Membership) Epoch() uint64 { return m.epoch }

// Phase returns how far the move under way is.
func (m Membership) Phase() Phase { return m.phase }

// Members returns all shards in play, those that join and leave included. The slice is the caller's.
func (m Membership) Members() []MemberSpec { return slices.Clone(m.members) }

// Moves returns the slots that change their owner in the move under way, none if it is settled.
func (m Membership) Moves() []hashring.Move {
	if m.before == nil {
		return nil
	}
	return hashring.Moves(m.before, m.ring)
}

// Owner returns the name of the shard that owns a link, and of the one that owned it before the move
// under way: "" if the link does not move.
func (m Membership) Owner(ref shortener.Ref) (now, before string) {
	slot := m.ring.Slot(ref.String())
	now = ownerOf(m.ring, slot)
	if m.before != nil {
		if before = ownerOf(m.before, slot); before == now {
			before = ""
		}
	}
	return now, before
}

// Joining reports whether a shard is in play by the move under way.
func (m Membership) Joining(name string) bool { return m.before != nil && !owns(m.before, name) }

// Leaving reports whether a shard will not be in play after the move under way.
func (m Membership) Leaving(name string) bool { return m.before != nil && !owns(m.ring, name) }

// Add begins the move that takes a shard in.
func (m Membership) Add(spec MemberSpec) (Membership, error) {
	if err := m.checkSettled(); err != nil {
		return Membership{}, err
	}
	if slices.ContainsFunc(m.members, func(s MemberSpec) bool { return s.Name == spec.Name }) {
		return Membership{}, shortener.Errorf(shortener.Conflict, "there is a shard %s already: choose another name", spec.Name)
	}
	next := m.next(Copying)
	spec.Weight, spec.Joined = max(spec.Weight, 1), next.epoch
	next.members = append(next.members, spec)
	if err := errors.Join(checkSpec(spec), checkAddresses(next.members)); err != nil {
		return Membership{}, err
	}
	return next.change(ringShards(next.members, ""))
}

// Remove begins the move that empties a shard and takes it out.
func (m Membership) Remove(name string) (Membership, error) {
	if err := m.checkSettled(); err != nil {
		return Membership{}, err
	}
	if !owns(m.ring, name) {
		return Membership{}, m.unknown(name)
	}
	if len(m.members) == 1 {
		return Membership{}, shortener.Errorf(shortener.Conflict, "shard %s is the last one: add another before you remove it", name)
	}
	next := m.next(Copying)
	return next.change(ringShards(next.members, name))
}

// Rebalance begins the move that gives shards new weights. Who is not named keeps its own.
func (m Membership) Rebalance(weights map[string]int) (Membership, error) {
	if err := m.checkSettled(); err != nil {
		return Membership{}, err
	}
	next := m.next(Copying)
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		i := slices.IndexFunc(next.members, func(s MemberSpec) bool { return s.Name == name })
		if i < 0 {
			return Membership{}, m.unknown(name)
		}
		if weights[name] < 1 {
			return Membership{}, shortener.InvalidField("weights."+name, "invalid-weight",
				"the weight %d of shard %s is not a number from 1 to %d", weights[name], name, hashring.MaxWeight)
		}
		next.members[i].Weight = weights[name]
		if err := checkSpec(next.members[i]); err != nil {
			return Membership{}, err
		}
	}
	next, err := next.change(ringShards(next.members, ""))
	if err == nil && len(next.Moves()) == 0 {
		return Membership{}, shortener.Errorf(shortener.Conflict, "there is nothing to move: the shards have their shares already")
	}
	return next, err
}

// Next returns the next phase of the move under way.
func (m Membership) Next() (Membership, error) {
	switch m.phase {
	case Copying:
		return m.next(Clearing), nil
	case Clearing:
		next := m.next(Settled)
		next.members = slices.DeleteFunc(next.members, func(s MemberSpec) bool { return m.Leaving(s.Name) })
		next.before = nil
		return next, nil
	}
	return Membership{}, shortener.Errorf(shortener.Conflict, "no move is under way")
}

// WithAddresses returns the membership with the addresses of those members that specs name too: hosts
// and passwords change by configuration. Its epoch is the same.
func (m Membership) WithAddresses(specs []MemberSpec) Membership {
	m.members = slices.Clone(m.members)
	for _, spec := range specs {
		for i := range m.members {
			if m.members[i].Name == spec.Name {
				m.members[i].URL = spec.URL
			}
		}
	}
	return m
}

// next is a copy of the next epoch.
func (m Membership) next(phase Phase) Membership {
	m.epoch++
	m.phase = phase
	m.members = slices.Clone(m.members)
	return m
}

// change gives the slots to the given shards, of which as few as possible move.
func (m Membership) change(to []hashring.Shard) (Membership, error) {
	ring, err := m.ring.Change(m.epoch, to)
	if err != nil {
		return Membership{}, err
	}
	m.before, m.ring = m.ring, ring
	return m, nil
}

func (m Membership) checkSettled() error {
	switch m.phase {
	case Settled:
		return nil
	case "":
		return shortener.Errorf(shortener.Conflict, "there is no membership of shards yet")
	}
	return shortener.Errorf(shortener.Conflict, "links are being moved (epoch %d, %s): wait until that is done", m.epoch, m.phase)
}

func (m Membership) unknown(name string) error {
	var names []string
	for _, spec := range m.members {
		names = append(names, spec.Name)
	}
	return shortener.Errorf(shortener.NotFound, "there is no shard %q; there are %q", name, names)
}

// ringShards returns the members for the ring, save the one that leaves.
func ringShards(members []MemberSpec, leaving string) []hashring.Shard {
	var shards []hashring.Shard
	for _, spec := range members {
		if spec.Name != leaving {
			shards = append(shards, hashring.Shard{Name: spec.Name, Weight: spec.Weight})
		}
	}
	return shards
}

func owns(ring *hashring.Ring, name string) bool {
	return slices.ContainsFunc(ring.Shards(), func(s hashring.Shard) bool { return s.Name == name })
}

func ownerOf(ring *hashring.Ring, slot int) string { return ring.Shards()[ring.OwnerOfSlot(slot)].Name }
