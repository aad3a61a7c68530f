package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Recovery says what Open found in the directory.
type Recovery struct {
	Frames    int   // good ones, acknowledged or not
	Batches   int   // that they form
	Truncated int64 // bytes cut off behind the last good frame: a torn append

	// Quarantined counts damaged stretches with good frames behind them. They are stepped over, and found
	// again by each Open until their segment is removed.
	Quarantined      int
	QuarantinedBytes int64

	LeftOut uint64 // batch numbers that may have been given to frames that are gone, and are not given again
}

// Open takes the directory and recovers what is in it. Batches that were open when the process ended are
// closed with what they held.
func Open(config Config) (_ *Spool, err error) {
	config, err = config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Spool{config: config, boot: bootID(), wake: make(chan struct{}, 1), batch: 1, nextSeq: 1}
	s.made = sync.NewCond(&s.mu)
	s.power.done.L = &s.power.mu
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if s.lock, err = lockDir(config.Dir); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := s.recover(); err != nil {
		s.abandon()
		return nil, fmt.Errorf("spool: recover %s: %w", config.Dir, err)
	}
	return s, nil
}

// abandon gives back what a failed Open took.
func (s *Spool) abandon() {
	for _, seg := range s.segs {
		_ = seg.unmap()
	}
	if s.next != nil {
		_ = s.next.unmap()
	}
	if s.marks != nil {
		_ = s.marks.close()
	}
	_ = s.lock.Close()
}

func (s *Spool) recover() (err error) {
	if err := s.mapSegments(); err != nil {
		return err
	}
	if s.producer, err = producerOf(s.config.Dir, s.segs); err != nil {
		return err
	}
	if s.marks, err = openMarks(s.config.Dir, s.producer); err != nil {
		return err
	}
	s.scanSegments()
	if err := s.resume(); err != nil {
		return err
	}
	s.removeAll(s.takeDone())
	return nil
}

// mapSegments opens what the directory holds, and removes what was never finished.
func (s *Spool) mapSegments() error {
	if err := removeTemporary(s.config.Dir); err != nil {
		return err
	}
	indexes, err := listSegments(s.config.Dir)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		s.lastIndex = index
		if err := s.mapSegment(index); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) mapSegment(index uint64) error {
	path := segmentPath(s.config.Dir, index)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < headerSize+frameHead {
		return s.setAside(path, info.Size())
	}
	seg, err := openSegment(s.config.Dir, index)
	if err != nil {
		return err
	}
	seg.born = info.ModTime().UnixMilli() // of its batches the time is not known; this is the latest
	s.segs = append(s.segs, seg)
	s.bytes += info.Size()
	return nil
}

func removeTemporary(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"+tempSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// setAside keeps a file that cannot be read for whoever wants to know why.
func (s *Spool) setAside(path string, size int64) error {
	s.recovery.Quarantined++
	s.recovery.QuarantinedBytes += size
	return os.Rename(path, path+damagedSuffix)
}

// scanSegments finds the frames, and with them which numbers come next.
func (s *Spool) scanSegments() {
	scan := scanner{}
	for _, seg := range s.segs {
		seg.salt = frameSalt(s.producer, seg.index)
		if h, ok := seg.header(); ok {
			s.raise(h.floorBatch, h.floorSeq)
		}
		scan.data, scan.salt, scan.off = seg.data, seg.salt, headerSize
		s.scanSegment(seg, &scan)
	}
	s.raise(s.marks.acked+1, 1)
	s.recovery.Quarantined += scan.damaged
	s.recovery.QuarantinedBytes += int64(scan.skipped)
}

func (s *Spool) scanSegment(seg *segment, scan *scanner) {
	for f, at, ok := scan.next(); ok; f, at, ok = scan.next() {
		if n := len(seg.refs); n == 0 || seg.refs[n-1].number != f.batch {
			seg.addRef(f.batch, at, seg.born)
			s.recovery.Batches++
		}
		ref := &seg.refs[len(seg.refs)-1]
		ref.frames++
		ref.end = uint32(scan.off)
		s.recovery.Frames++
		s.raise(f.batch+1, f.seq+1)
	}
	seg.end = scan.off
	for i := range seg.refs {
		r := &seg.refs[i]
		if r.number <= s.marks.acked {
			r.acked = true
			seg.unacked--
		} else {
			s.counters.depth += uint64(r.frames)
		}
	}
}

// raise makes sure that numbers below the given ones are not given again.
func (s *Spool) raise(batch, seq uint64) {
	s.batch = max(s.batch, batch)
	s.nextSeq = max(s.nextSeq, seq)
}

// resume makes ready to append: behind the last good frame, in the last segment that was in use.
func (s *Spool) resume() error {
	last := s.lastUsed()
	s.leaveOut(last)
	spare := s.segs[last+1:]
	s.segs = s.segs[:last+1]
	for _, seg := range spare {
		if err := s.keepSpare(seg); err != nil {
			return err
		}
	}
	if last < 0 {
		if err := s.begin(); err != nil {
			return err
		}
	} else {
		s.active = s.segs[last]
		s.use(s.active, s.boot)
	}
	// The floor goes to the medium before the evidence for it is cleared.
	if err := s.active.syncFloor(); err != nil {
		return err
	}
	s.active.zeroTail()
	return nil
}

// lastUsed returns the place of the last segment that is not as it was prepared, or -1.
func (s *Spool) lastUsed() int {
	for i := len(s.segs) - 1; i >= 0; i-- {
		seg := s.segs[i]
		if len(seg.refs) > 0 || !isZero(seg.data[:headerSize]) || seg.garbage() > 0 {
			return i
		}
	}
	return -1
}

// leaveOut raises the next numbers over those of frames that are gone from behind the last good one:
// others may have read them. Damage leaves garbage, and there is no frame without some. After a loss of
// power their pages may never have been written, so that all the room which is empty counts.
func (s *Spool) leaveOut(last int) {
	for i, seg := range s.segs {
		garbage := int64(seg.garbage())
		switch {
		case garbage == 0:
		case i == last:
			s.recovery.Truncated = garbage
		default:
			s.recovery.Quarantined++
			s.recovery.QuarantinedBytes += garbage
		}
	}
	if last < 0 {
		return
	}
	gone := s.segs[last].garbage()
	if s.lostPower(s.segs[last]) {
		gone = 0
		for _, seg := range s.segs[last:] {
			gone += seg.room()
		}
	}
	s.recovery.LeftOut = uint64((gone + frameHead - 1) / frameHead)
	s.raise(s.batch+s.recovery.LeftOut, s.nextSeq+s.recovery.LeftOut)
}

// lostPower says whether writes to seg, the last in use, may have gone with the machine.
func (s *Spool) lostPower(seg *segment) bool {
	h, ok := seg.header()
	switch {
	case ok && h.boot == cleanBoot:
		return false
	case ok && h.boot == s.boot && s.boot != 0:
		return false
	}
	return true
}

// keepSpare keeps the first segment that was prepared and not used, if it can serve.
func (s *Spool) keepSpare(seg *segment) error {
	if s.next == nil && int64(len(seg.data)) == s.config.SegmentBytes {
		s.next = seg
		return nil
	}
	s.bytes -= int64(len(seg.data))
	return seg.remove()
}

// begin makes the first segment.
func (s *Spool) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		if err := s.make(); err != nil {
			return err
		}
	}
	s.activate()
	return nil
}
