// Package spool is a log on disk for payloads that must survive the process: they are appended at the
// speed of memory, read back in batches whose boundaries never change, and removed once acknowledged.
//
// The log is a directory of preallocated, memory-mapped segments. Each frame carries a checksum, a
// sequence number and the number of its batch. What it promises:
//
//   - What Append returned is in the page cache: a process killed at any instruction loses none of it.
//     The machine losing power may lose what was not yet written back, unless Durability is Power.
//   - A batch that was read once is read again with the same frames, before and after a restart.
//     (Producer, batch number) therefore identifies its contents and serves to drop duplicates.
//   - Batch numbers start at 1 and follow one another, also across restarts. After damage or a loss of
//     power, when frames may have gone that others have seen, as many numbers are left out as could
//     have been given. A number is never given twice, and one that was left out counts as acknowledged.
//   - Damage on disk never turns into a payload. A torn frame at the end is cut off; a damaged one with
//     good ones behind it is stepped over; both are reported.
//   - A full spool refuses (ErrFull) and recovers when batches are acknowledged. It never overwrites.
//
// A directory belongs to one Spool at a time, and a copy of it must not be used beside the original:
// both would give the same numbers to different contents.
package spool

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

var (
	// ErrFull means that the payload was not taken: the spool or its disk has no room. It is the caller's to count.
	ErrFull = errors.New("spool: full")
	// ErrLocked means that another process, or another Spool of this one, has the directory.
	ErrLocked = errors.New("spool: directory is in use")
	// ErrClosed means that the Spool was closed.
	ErrClosed = errors.New("spool: closed")
	// ErrTooLarge means that the payload would not fit into an empty segment.
	ErrTooLarge = errors.New("spool: payload larger than a segment")
	// ErrNoBatch means that the spool does not hold the batch: it is not closed yet, was acknowledged and
	// removed, or never was.
	ErrNoBatch = errors.New("spool: no such batch")
)

// Durability says what Append waits for.
type Durability int

const (
	// Process durability survives the death of the process, not that of the machine.
	Process Durability = iota
	// Power durability survives both: Append returns after the frame is on the medium. Concurrent
	// Appends share the wait.
	Power
)

// Config describes a spool. The zero value of all but Dir is good.
type Config struct {
	Dir          string           // made if it does not exist
	SegmentBytes int64            // size of a segment file; 16 MiB if 0
	MaxBytes     int64            // all segments together, at least two of them; 1 GiB if 0
	MaxBatch     int              // frames a batch holds at most; 512 if 0
	Durability   Durability       // Process if 0
	Now          func() time.Time // time.Now if nil
}

const (
	minSegmentBytes = 4 << 10
	maxSegmentBytes = 1 << 30
	maxBatchFrames  = 1<<16 - 1
)

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.SegmentBytes, 16<<20)
	setDefault(&c.MaxBytes, max(1<<30, 2*c.SegmentBytes))
	setDefault(&c.MaxBatch, 512)
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Dir == "":
		return c, errors.New("spool: no directory given")
	case c.SegmentBytes < minSegmentBytes || c.SegmentBytes > maxSegmentBytes:
		return c, fmt.Errorf("spool: segments of %d bytes, want %d to %d", c.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	case c.MaxBytes < 2*c.SegmentBytes:
		return c, fmt.Errorf("spool: at most %d bytes, want room for two segments of %d", c.MaxBytes, c.SegmentBytes)
	case c.MaxBatch < 1 || c.MaxBatch > maxBatchFrames:
		return c, fmt.Errorf("spool: batches of %d frames, want 1 to %d", c.MaxBatch, maxBatchFrames)
	}
	return c, nil
}

func setDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// Spool is an open log. Its methods are safe for concurrent use. Make one with Open.
type Spool struct {
	config   Config
	producer uint64
	boot     uint64
	recovery Recovery
	lock     *os.File
	marks    *marks
	power    powerGroup
	wake     chan struct{} // tells Run to look

	mu        sync.Mutex
	segs      []*segment // in order; the last is the active one
	active    *segment
	next      *segment // prepared, not in use
	lastIndex uint64   // of the segments ever made
	batch     uint64   // number of the open batch, or of the next to open
	isOpen    bool     // whether the last ref of active is the open batch
	nextSeq   uint64
	bytes     int64 // of all segment files
	shut      bool
	waiters   chan struct{} // closed when a batch closes; nil when nobody waits

	making   bool // a segment is being made, outside mu
	made     *sync.Cond
	makeErr  error // of the last attempt to make a segment
	retryAt  time.Time
	counters counters

	removals sync.WaitGroup // Acks that remove segments
}

// Append copies payload into the log and returns its sequence number: 1 for the first, and rising.
// The error is ErrFull, ErrTooLarge or ErrClosed, or, with Power durability, what kept the medium from
// taking it; such a payload may come to be read all the same.
func (s *Spool) Append(payload []byte) (seq uint64, err error) {
	seq, err = s.append(payload)
	if err == nil && s.config.Durability == Power {
		err = s.power.wait(seq, s.flush)
	}
	return seq, err
}

func (s *Spool) append(payload []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return 0, ErrClosed
	}
	if need := frameSize(len(payload)); need > s.active.room() {
		if err := s.rotate(need); err != nil {
			if errors.Is(err, ErrFull) {
				s.counters.dropped++
			}
			return 0, err
		}
	}
	if !s.isOpen {
		s.active.open(s.batch, s.config.Now())
		s.isOpen = true
	}
	seq := s.nextSeq
	batch := &s.active.refs[len(s.active.refs)-1]
	s.active.append(seq, batch, payload)
	s.nextSeq++
	s.counters.appended++
	s.counters.depth++
	if int(batch.frames) == s.config.MaxBatch {
		s.closeBatch()
	}
	return seq, nil
}

// CloseBatch closes the open batch, so that it can be read. Without frames in it nothing happens.
func (s *Spool) CloseBatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeBatch()
}

func (s *Spool) closeBatch() {
	if !s.isOpen {
		return
	}
	s.isOpen = false
	s.batch++
	s.notify()
}

func (s *Spool) notify() {
	if s.waiters != nil {
		close(s.waiters)
		s.waiters = nil
	}
}

// Producer names this spool among all others, for ever: 16 hexadecimal digits.
func (s *Spool) Producer() string { return formatProducer(s.producer) }

// Recovery says what Open found.
func (s *Spool) Recovery() Recovery { return s.recovery }

// Close closes the open batch, brings everything to the medium and gives the directory back. Batches
// that were not acknowledged are there again after the next Open. A second Close does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return nil
	}
	s.shut = true
	s.closeBatch()
	s.notify()
	for s.making {
		s.made.Wait()
	}
	segs := s.segs
	if s.next != nil {
		segs = append(segs[:len(segs):len(segs)], s.next)
	}
	s.mu.Unlock()

	s.removals.Wait()
	err := s.settle()
	for _, seg := range segs {
		err = errors.Join(err, seg.unmap())
	}
	return errors.Join(err, s.marks.close(), s.lock.Close())
}

// settle brings everything to the medium and says so in the header, so that the next Open need not
// suspect a loss.
func (s *Spool) settle() error {
	if _, err := s.flush(); err != nil {
		return err
	}
	s.mu.Lock()
	s.use(s.active, cleanBoot)
	s.mu.Unlock()
	return s.active.syncFloor()
}
