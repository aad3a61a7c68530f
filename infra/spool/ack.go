package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Ack says that a batch has arrived where it was going. Batches may be acknowledged in any order, and more
// than once. A segment whose batches all are is removed, but for the one appended to. Numbers that the
// spool does not hold are ignored.
func (s *Spool) Ack(batch uint64) {
	s.mu.Lock()
	if s.shut || batch >= s.batch {
		s.mu.Unlock()
		return
	}
	seg, ref := s.ref(batch)
	if ref == nil || ref.acked {
		s.mu.Unlock()
		return
	}
	ref.acked = true
	seg.unacked--
	s.counters.acked += uint64(ref.frames)
	s.counters.depth -= uint64(ref.frames)
	s.marks.setAcked(s.oldest() - 1)
	done := s.takeDone()
	s.removals.Add(1)
	s.mu.Unlock()
	defer s.removals.Done()
	s.removeAll(done)
}

// Unacked returns the numbers of the closed batches that are not acknowledged, ascending.
func (s *Spool) Unacked() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var numbers []uint64
	for _, seg := range s.segs {
		for i := range seg.refs {
			if r := &seg.refs[i]; !r.acked && r.number < s.batch {
				numbers = append(numbers, r.number)
			}
		}
	}
	return numbers
}

// takeDone takes the segments out of use that hold nothing unacknowledged.
func (s *Spool) takeDone() (done []*segment) {
	s.segs = slices.DeleteFunc(s.segs, func(seg *segment) bool {
		if seg == s.active || seg.unacked > 0 {
			return false
		}
		done = append(done, seg)
		return true
	})
	return done
}

// removeAll removes segments. The active one is made to remember on the medium which numbers they held
// before they go. A file that cannot be removed is found, and tried again, by the next Open.
func (s *Spool) removeAll(segs []*segment) {
	if len(segs) == 0 {
		return
	}
	s.mu.Lock()
	active := s.active
	s.mu.Unlock()
	floor := active.syncFloor()
	for _, seg := range segs {
		size := int64(len(seg.data))
		if errors.Join(floor, seg.unmap(), os.Remove(seg.path)) != nil {
			continue
		}
		s.mu.Lock()
		s.bytes -= size
		s.retryAt = time.Time{} // there is room again
		s.mu.Unlock()
	}
	s.wakeRun()
}

// marks is a small mapped file that remembers up to which batch everything is acknowledged, so that a
// restart does not send all of it again. It may lag behind, never ahead.
type marks struct {
	mu    sync.Mutex
	twin  twin
	acked uint64
}

// openMarks opens or makes the file. One that is damaged counts as empty.
func openMarks(dir string, producer uint64) (*marks, error) {
	path := filepath.Join(dir, marksFile)
	data, err := mapFile(path)
	if err != nil || len(data) < twinSize {
		if err := createFile(path, twinSize); err != nil {
			return nil, err
		}
		if data, err = mapFile(path); err != nil {
			return nil, err
		}
	}
	m := &marks{twin: twin{mem: data, salt: frameSalt(producer, 0)}}
	if fields, ok := m.twin.load(); ok {
		m.acked = fields[0]
	}
	return m, nil
}

func (m *marks) setAcked(batch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if batch > m.acked && m.twin.mem != nil {
		m.acked = batch
		m.twin.store([twinFields]uint64{batch})
	}
}

func (m *marks) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	mem := m.twin.mem
	m.twin.mem = nil
	return errors.Join(unix.Msync(mem, unix.MS_SYNC), unix.Munmap(mem))
}
