package spool

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	twinFields = 6
	twinSlot   = 8 + 8 + 8*twinFields // checksum, generation, fields
	twinSize   = 2 * twinSlot
)

// twin keeps a few numbers in mapped memory so that a process that dies while it writes them leaves the
// former ones: there are two slots, each with a checksum and a generation, and the older one is written.
type twin struct {
	mem  []byte // twinSize bytes
	salt uint32
}

// load returns the newest intact fields, and false if neither slot is intact.
func (t twin) load() (fields [twinFields]uint64, ok bool) {
	slot, _, ok := t.newest()
	if !ok {
		return fields, false
	}
	for i := range fields {
		fields[i] = binary.LittleEndian.Uint64(t.mem[slot*twinSlot+16+8*i:])
	}
	return fields, true
}

// store makes fields what load returns.
func (t twin) store(fields [twinFields]uint64) {
	slot, generation, _ := t.newest()
	mem := t.mem[(1-slot)*twinSlot:][:twinSlot]
	binary.LittleEndian.PutUint64(mem[8:], generation+1)
	for i, v := range fields {
		binary.LittleEndian.PutUint64(mem[16+8*i:], v)
	}
	binary.LittleEndian.PutUint64(mem, t.sum(mem))
}

func (t twin) newest() (slot int, generation uint64, ok bool) {
	for i := range 2 {
		mem := t.mem[i*twinSlot:][:twinSlot]
		g := binary.LittleEndian.Uint64(mem[8:])
		if g > generation && binary.LittleEndian.Uint64(mem) == t.sum(mem) {
			slot, generation, ok = i, g, true
		}
	}
	return slot, generation, ok
}

func (t twin) sum(slot []byte) uint64 {
	return uint64(crc32.Update(t.salt, castagnoli, slot[8:]))
}
