package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is
//
//	length  u32  bytes of seq, batch and payload: at least 16, so that zero means "nothing here"
//	crc     u32  CRC-32C of seq, batch and payload, begun at salt^length
//	seq     u64
//	batch   u64
//	payload
//	zeros up to a multiple of 8
//
// in little endian. The salt is derived from the producer and the segment, so that neither a frame of
// another segment nor one that a client smuggled into a payload passes for a frame found here.
const (
	frameHead  = 24
	frameBody  = 16 // seq and batch, counted by length
	frameStart = 8  // where the checked bytes begin
	frameAlign = 8

	// maxStep bounds how far numbers may jump between two frames. Rightful jumps (over the room lost
	// with the machine) are far smaller; bytes taken for a frame by mistake jump further.
	maxStep = 1 << 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frame struct {
	seq, batch uint64
	payload    []byte // within the bytes it was parsed from
	size       int    // with head and padding
}

// frameSize is the room a payload of n bytes takes.
func frameSize(n int) int { return (frameHead + n + frameAlign - 1) &^ (frameAlign - 1) }

// putFrame writes a frame to the start of dst, which is zero and has room for it.
func putFrame(dst []byte, salt uint32, seq, batch uint64, payload []byte) {
	length := uint32(frameBody + len(payload))
	binary.LittleEndian.PutUint64(dst[8:], seq)
	binary.LittleEndian.PutUint64(dst[16:], batch)
	copy(dst[frameHead:], payload)
	crc := crc32.Update(salt^length, castagnoli, dst[frameStart:frameStart+int(length)])
	// The head goes in with one store. Were it torn all the same, the checksum would tell.
	binary.LittleEndian.PutUint64(dst, uint64(crc)<<32|uint64(length))
}

// parseFrame returns the frame at the start of src, and false if there is no whole and undamaged one.
func parseFrame(src []byte, salt uint32) (frame, bool) {
	length, ok := frameLength(src)
	if !ok {
		return frame{}, false
	}
	checked := src[frameStart : frameStart+length]
	if crc32.Update(salt^uint32(length), castagnoli, checked) != binary.LittleEndian.Uint32(src[4:]) {
		return frame{}, false
	}
	n := length - frameBody
	return frame{
		seq:     binary.LittleEndian.Uint64(src[8:]),
		batch:   binary.LittleEndian.Uint64(src[16:]),
		payload: src[frameHead : frameHead+n : frameHead+n],
		size:    frameSize(n),
	}, true
}

// frameLength returns the length that the head at the start of src claims, and false if src could not hold it.
func frameLength(src []byte) (int, bool) {
	if len(src) < frameHead {
		return 0, false
	}
	length := int64(binary.LittleEndian.Uint32(src))
	if length < frameBody || frameSize(int(length)-frameBody) > len(src) {
		return 0, false
	}
	return int(length), true
}

// scanner walks the frames of a segment in order, stepping over damage that has good frames behind it.
type scanner struct {
	data []byte
	salt uint32
	off  int // end of the last good frame

	known            bool // whether seq and batch hold the numbers of an earlier frame
	seq, batch       uint64
	damaged, skipped int // stretches stepped over, and their bytes
}

// next returns the next good frame and its offset. It returns false when no good frame is left; off then
// is where the last one ended.
func (s *scanner) next() (f frame, at int, ok bool) {
	for at = s.off; at+frameHead <= len(s.data); at += frameAlign {
		if f, ok = s.frameAt(at); ok {
			s.step(f, at)
			return f, at, true
		}
	}
	return frame{}, 0, false
}

// frameAt parses the frame at offset at. It looks at the cheap signs first: in damaged bytes most
// offsets are refused before a checksum is computed.
func (s *scanner) frameAt(at int) (frame, bool) {
	src := s.data[at:]
	if binary.LittleEndian.Uint64(src) == 0 {
		return frame{}, false
	}
	seq, batch := binary.LittleEndian.Uint64(src[8:]), binary.LittleEndian.Uint64(src[16:])
	if seq == 0 || batch == 0 {
		return frame{}, false
	}
	if s.known && (seq-s.seq-1 >= maxStep || batch-s.batch >= maxStep) {
		return frame{}, false // not after the last one
	}
	return parseFrame(src, s.salt)
}

func (s *scanner) step(f frame, at int) {
	if at > s.off {
		s.damaged++
		s.skipped += at - s.off
	}
	s.known, s.seq, s.batch = true, f.seq, f.batch
	s.off = at + f.size
}
