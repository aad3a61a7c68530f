package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// makeRetry is how long a failure to make a segment stands before it is tried again: a full disk must
// not cost every Append a system call.
const makeRetry = time.Second

// Run prepares segments ahead of the hot path until ctx ends, and then returns nil. Without it the
// spool works, and the Append that fills a segment waits for the next one to be made.
func (s *Spool) Run(ctx context.Context) error {
	retry := time.NewTicker(makeRetry)
	defer retry.Stop()
	for {
		s.prepare()
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-retry.C:
		}
	}
}

// prepare makes the next segment if there is none. A failure is kept for Append and Stats to report.
func (s *Spool) prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil && !s.shut {
		_ = s.make()
	}
}

func (s *Spool) wakeRun() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// rotate makes active a segment with room for need bytes. It may let go of mu while it waits; batches
// never straddle segments, so the open one is closed.
func (s *Spool) rotate(need int) error {
	if int64(need) > s.config.SegmentBytes-headerSize {
		return ErrTooLarge
	}
	for need > s.active.room() {
		if s.next == nil {
			if err := s.make(); err != nil {
				return err
			}
		}
		if s.shut {
			return ErrClosed
		}
		if s.next != nil && need > s.active.room() {
			s.closeBatch()
			s.activate()
		}
	}
	return nil
}

// activate takes the prepared segment into use.
func (s *Spool) activate() {
	seg := s.next
	s.next = nil
	seg.born = s.config.Now().UnixMilli()
	s.use(seg, s.boot)
	s.segs = append(s.segs, seg)
	s.active = seg
	s.wakeRun()
}

// use writes into seg which numbers have been given, and under which start of the machine.
func (s *Spool) use(seg *segment, boot uint64) {
	seg.salt = frameSalt(s.producer, seg.index)
	seg.setHeader(header{producer: s.producer, index: seg.index, floorBatch: s.batch, floorSeq: s.nextSeq, boot: boot})
}

// make prepares the next segment, or waits for another that does. mu is free meanwhile. Segments are
// taken into use in the order they are made, so there is one maker at a time.
func (s *Spool) make() error {
	if s.making {
		for s.making {
			s.made.Wait()
		}
		return nil // the caller looks again
	}
	if s.bytes+s.config.SegmentBytes > s.config.MaxBytes {
		return ErrFull
	}
	if s.makeErr != nil && s.config.Now().Before(s.retryAt) {
		return s.makeErr
	}
	s.making = true
	s.lastIndex++
	index := s.lastIndex
	s.mu.Unlock()
	seg, err := createSegment(s.config.Dir, index, s.config.SegmentBytes)
	s.mu.Lock()
	s.making = false
	s.made.Broadcast()
	s.makeErr = asFull(err)
	if err != nil {
		s.retryAt = s.config.Now().Add(makeRetry)
		return s.makeErr
	}
	s.next = seg
	s.bytes += s.config.SegmentBytes
	return nil
}

// asFull marks a failure to make a segment as ErrFull: whatever the cause, there is no room for more.
func asFull(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: no space on the disk", ErrFull)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: the directory cannot be written: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}
