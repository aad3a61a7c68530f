package linkshards

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"snowlink/infra/hashring"
)

// kept is how a membership is kept and sent. It holds passwords.
type kept struct {
	Epoch   uint64         `json:"epoch"`
	Phase   Phase          `json:"phase"`
	Members []MemberSpec   `json:"members"`
	Ring    *hashring.Ring `json:"ring"`
	Before  *hashring.Ring `json:"before,omitempty"`
}

// MarshalJSON implements json.Marshaler. What it returns holds the passwords of the shards.
func (m Membership) MarshalJSON() ([]byte, error) {
	return json.Marshal(kept{m.epoch, m.phase, m.members, m.ring, m.before})
}

// UnmarshalJSON implements json.Unmarshaler. It refuses what is not a membership as a whole.
func (m *Membership) UnmarshalJSON(body []byte) error {
	var k kept
	if err := json.Unmarshal(body, &k); err != nil {
		return fmt.Errorf("read a membership of link shards: %w", err)
	}
	read := Membership{k.Epoch, k.Phase, k.Members, k.Ring, k.Before}
	if err := read.check(); err != nil {
		return fmt.Errorf("read a membership of link shards: %w", err)
	}
	*m = read
	return nil
}

// check tells what keeps this from being a membership that the transitions can have made.
func (m Membership) check() error {
	moving := m.phase == Copying || m.phase == Clearing
	switch {
	case m.epoch == 0:
		return fmt.Errorf("it has no epoch")
	case !moving && m.phase != Settled:
		return fmt.Errorf("it is of an unknown phase, %q: is it of a newer version of snowlink?", m.phase)
	case m.ring == nil || moving != (m.before != nil):
		return fmt.Errorf("it does not say who owns which slots")
	}
	for _, ring := range []*hashring.Ring{m.ring, m.before} {
		if ring == nil {
			continue
		}
		for _, owner := range ring.Shards() {
			if !slices.ContainsFunc(m.members, func(s MemberSpec) bool { return s.Name == owner.Name }) {
				return fmt.Errorf("slots belong to %q, which is no member", owner.Name)
			}
		}
	}
	return nil
}

// String tells the epoch, the phase and the members, without passwords.
func (m Membership) String() string {
	if m.epoch == 0 {
		return "no membership"
	}
	return fmt.Sprintf("epoch %d, %s: %v", m.epoch, m.phase, m.members)
}

// GoString is String: a password does not get into logs by %#v either.
func (m Membership) GoString() string { return m.String() }

// LogValue is String: nor does it get into logs by slog.
func (m Membership) LogValue() slog.Value { return slog.StringValue(m.String()) }
