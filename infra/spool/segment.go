package spool

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	headerSize    = 128 // a twin
	segmentSuffix = ".seg"
	damagedSuffix = ".bad"
	tempSuffix    = ".tmp"
)

// header is what a segment says of itself. It is advice: the frames prove themselves without it.
type header struct {
	producer   uint64
	index      uint64
	floorBatch uint64 // no batch number below this may be given again; 0 in a segment not yet used
	floorSeq   uint64 // nor a sequence number
	boot       uint64 // the start of the machine under which it was last opened; cleanBoot once closed
}

// cleanBoot stands in the header of a segment that is on the medium with all its frames.
const cleanBoot = 1<<64 - 1

// batchRef says where the frames of a batch lie.
type batchRef struct {
	number   uint64
	off, end uint32
	after    uint32 // milliseconds between the birth of the segment and the first frame
	frames   uint16
	acked    bool
}

// segment is one mapped file of frames. All but data is guarded by Spool.mu.
type segment struct {
	index   uint64
	path    string
	salt    uint32
	born    int64 // Unix milliseconds
	end     int   // where the next frame goes
	flushed int   // up to here it is on the medium
	refs    []batchRef
	unacked int // refs not acknowledged
	first   int // no ref before this is unacknowledged

	floorDurable atomic.Bool // the header has reached the medium since the segment was taken into use

	mu   sync.RWMutex // held to read while data is used outside Spool.mu, to write while it is unmapped
	data []byte
}

func segmentPath(dir string, index uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%010d%s", index, segmentSuffix))
}

// listSegments returns the indexes of the segments in dir, ascending.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes []uint64
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		if index, err := strconv.ParseUint(name, 10, 64); isSegment && err == nil {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

// openSegment maps a segment. Its frames are found by recovery.
func openSegment(dir string, index uint64) (*segment, error) {
	path := segmentPath(dir, index)
	data, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	return &segment{index: index, path: path, data: data, end: headerSize}, nil
}

// createSegment makes a segment ready to be taken into use, faults and all.
func createSegment(dir string, index uint64, size int64) (*segment, error) {
	if err := createFile(segmentPath(dir, index), size); err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	seg, err := openSegment(dir, index)
	if err != nil {
		return nil, err
	}
	populate(seg.data)
	return seg, nil
}

// frameSalt ties frames to their producer and segment.
func frameSalt(producer, index uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], producer)
	binary.LittleEndian.PutUint64(b[8:], index)
	return crc32.Checksum(b[:], castagnoli)
}

func (s *segment) twin() twin { return twin{mem: s.data[:twinSize]} }

// header returns what the segment says of itself; false if that is damaged or was never written.
func (s *segment) header() (header, bool) {
	f, ok := s.twin().load()
	h := header{f[0], f[1], f[2], f[3], f[4]}
	return h, ok && h.index == s.index
}

func (s *segment) setHeader(h header) {
	s.floorDurable.Store(false)
	s.twin().store([twinFields]uint64{h.producer, h.index, h.floorBatch, h.floorSeq, h.boot})
}

func (s *segment) room() int { return len(s.data) - s.end }

// append writes a frame into the room left and counts it to the batch, the last of refs.
func (s *segment) append(seq uint64, batch *batchRef, payload []byte) {
	putFrame(s.data[s.end:], s.salt, seq, batch.number, payload)
	s.end += frameSize(len(payload))
	batch.end = uint32(s.end)
	batch.frames++
}

// open begins a batch at the end of the segment.
func (s *segment) open(number uint64, now time.Time) {
	s.addRef(number, s.end, now.UnixMilli())
}

func (s *segment) addRef(number uint64, off int, atMilli int64) {
	after := uint32(min(max(atMilli-s.born, 0), 1<<32-1))
	s.refs = append(s.refs, batchRef{number: number, off: uint32(off), end: uint32(off), after: after})
	s.unacked++
}

// place returns where in refs a batch is, or would be.
func (s *segment) place(number uint64) (int, bool) {
	return slices.BinarySearchFunc(s.refs, number, func(r batchRef, n uint64) int { return cmp.Compare(r.number, n) })
}

// ref returns the entry of a batch, or nil.
func (s *segment) ref(number uint64) *batchRef {
	i, ok := s.place(number)
	if !ok {
		return nil
	}
	return &s.refs[i]
}

// oldest returns the first batch that is not acknowledged, or nil.
func (s *segment) oldest() *batchRef {
	for s.first < len(s.refs) && s.refs[s.first].acked {
		s.first++
	}
	if s.first == len(s.refs) {
		return nil
	}
	return &s.refs[s.first]
}

func (s *segment) openedAt(r *batchRef) time.Time { return time.UnixMilli(s.born + int64(r.after)) }

// sync brings bytes [from, to) to the medium.
func (s *segment) sync(from, to int) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.data == nil {
		return nil // all of it was acknowledged and removed
	}
	from &^= os.Getpagesize() - 1
	return unix.Msync(s.data[from:to], unix.MS_SYNC)
}

// syncFloor makes sure that the numbers this segment reserves are not forgotten with the machine.
func (s *segment) syncFloor() error {
	if s.floorDurable.Load() {
		return nil
	}
	if err := s.sync(0, headerSize); err != nil {
		return fmt.Errorf("sync the header of %s: %w", s.path, err)
	}
	s.floorDurable.Store(true)
	return nil
}

// zeroTail clears what stands behind the last frame, touching only pages that hold something.
func (s *segment) zeroTail() {
	const page = 4096
	for at := s.end; at < len(s.data); at += page {
		part := s.data[at:min(at+page, len(s.data))]
		if !isZero(part) {
			clear(part)
		}
	}
}

// garbage is how many bytes from the last frame to the last byte that is not zero.
func (s *segment) garbage() int {
	const page = 4096
	tail := s.data[s.end:]
	for len(tail) > page && isZero(tail[len(tail)-page:]) {
		tail = tail[:len(tail)-page]
	}
	for len(tail) > 0 && tail[len(tail)-1] == 0 {
		tail = tail[:len(tail)-1]
	}
	return len(tail)
}

func isZero(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
	}
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

func (s *segment) unmap() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil
	}
	err := unix.Munmap(s.data)
	s.data = nil
	return err
}

func (s *segment) remove() error {
	return errors.Join(s.unmap(), os.Remove(s.path))
}
