package linkshards

import (
	"sync/atomic"

	"snowlink/infra/hashring"
	"snowlink/shortener"
)

// view is a membership with the members it speaks of. It is immutable, save for late.
type view struct {
	membership Membership // zero if the shards are fixed
	phase      Phase
	ring       *hashring.Ring
	now        []*member // the owners, in the order of ring
	before     *hashring.Ring
	old        []*member // the owners before the move under way, in the order of before
	all        []*member // in the order of the membership
	closed     bool
	late       *atomic.Int64 // since when a shard has known a newer membership, in Unix nanoseconds; 0 if none does
}

// place is where a link is kept.
type place struct {
	now    *member
	before *member // whose it was before the move under way; nil if the link does not move
}

func (v *view) place(ref shortener.Ref) place {
	slot := v.ring.Slot(ref.String())
	p := place{now: v.now[v.ring.OwnerOfSlot(slot)]}
	if v.before != nil {
		if p.before = v.old[v.before.OwnerOfSlot(slot)]; p.before == p.now {
			p.before = nil
		}
	}
	return p
}

// fence is the epoch that writes carry, 0 if none is checked.
func (v *view) fence() uint64 { return v.membership.epoch }

func (v *view) member(name string) *member {
	for _, m := range v.all {
		if m.name == name {
			return m
		}
	}
	return nil
}

// arrange makes the view of a membership. Members that stay as they are come from the last view, which
// may be nil.
func (s *Shards) arrange(m Membership, was *view) (*view, error) {
	v := &view{late: new(atomic.Int64), membership: m, phase: m.phase, ring: m.ring, before: m.before}
	for _, spec := range m.members {
		on, err := s.keep(spec, was)
		if err != nil {
			return nil, err
		}
		v.all = append(v.all, on)
	}
	v.now = v.owners(v.ring)
	if v.before != nil {
		v.old = v.owners(v.before)
	}
	return v, nil
}

// owners returns the members in the order of a ring.
func (v *view) owners(ring *hashring.Ring) []*member {
	var owners []*member
	for _, shard := range ring.Shards() {
		owners = append(owners, v.member(shard.Name))
	}
	return owners
}

// keep returns the member that was there, or a new one if it is another now.
func (s *Shards) keep(spec MemberSpec, was *view) (*member, error) {
	if was != nil {
		if on := was.member(spec.Name); on != nil && on.spec.URL == spec.URL && on.spec.Joined == spec.Joined {
			return on, nil
		}
	}
	parsed, err := spec.Member()
	if err != nil {
		return nil, err
	}
	return s.newMember(spec, parsed), nil
}
