package hashring

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// wireVersion is the form of a ring in JSON.
const wireVersion = 1

// wire is a ring in JSON. Owners is the table in base64: for each slot the index of its shard, in one
// byte if that suffices for all shards, else in two, the greater first.
type wire struct {
	Version int         `json:"version"`
	Epoch   uint64      `json:"epoch"`
	Shards  []wireShard `json:"shards"`
	Owners  string      `json:"owners"`
}

type wireShard struct {
	Name   string `json:"name"`
	Weight int    `json:"weight"`
}

// MarshalJSON returns the ring with its table.
func (r *Ring) MarshalJSON() ([]byte, error) {
	w := wire{Version: wireVersion, Epoch: r.epoch}
	for _, s := range r.shards {
		w.Shards = append(w.Shards, wireShard(s))
	}
	table := make([]byte, 0, 2*Slots)
	for _, owner := range r.owners {
		if len(r.shards) > 1<<8 {
			table = binary.BigEndian.AppendUint16(table, owner)
		} else {
			table = append(table, byte(owner))
		}
	}
	w.Owners = base64.StdEncoding.EncodeToString(table)
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote, and refuses everything that is not a whole ring. It must
// not be called on a ring that is in use.
func (r *Ring) UnmarshalJSON(raw []byte) error {
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return fmt.Errorf("hashring: %w", err)
	}
	read, err := w.ring()
	if err != nil {
		return fmt.Errorf("hashring: %w", err)
	}
	*r = read
	return nil
}

func (w wire) ring() (r Ring, err error) {
	if w.Version != wireVersion {
		return r, fmt.Errorf("a ring of form %d, and this program knows form %d: run the version that wrote it", w.Version, wireVersion)
	}
	r.epoch = w.Epoch
	for _, s := range w.Shards {
		if s.Weight == 0 {
			err = errors.Join(err, fmt.Errorf("shard %q has no weight", s.Name))
		}
		r.shards = append(r.shards, Shard(s))
	}
	if err := errors.Join(err, check(r.shards)); err != nil {
		return r, err
	}
	table, err := base64.StdEncoding.DecodeString(w.Owners)
	if err != nil {
		return r, fmt.Errorf("the table of owners: %w", err)
	}
	return r, r.readTable(table)
}

func (r *Ring) readTable(table []byte) error {
	width := 1
	if len(r.shards) > 1<<8 {
		width = 2
	}
	if len(table) != width*Slots {
		return fmt.Errorf("the table of owners has %d bytes, want %d", len(table), width*Slots)
	}
	for slot := range r.owners {
		if r.owners[slot] = uint16(table[slot]); width == 2 {
			r.owners[slot] = binary.BigEndian.Uint16(table[2*slot:])
		}
		if int(r.owners[slot]) >= len(r.shards) {
			return fmt.Errorf("slot %d belongs to shard %d of %d", slot, r.owners[slot], len(r.shards))
		}
	}
	return nil
}
