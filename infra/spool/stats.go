package spool

import "time"

type counters struct {
	appended, dropped, acked, corrupt uint64
	depth                             uint64
}

// Stats is a moment in the life of a spool. Counts are of frames, since Open.
type Stats struct {
	Appended uint64
	Acked    uint64        // in batches that were acknowledged
	Dropped  uint64        // refused: there was no room
	Corrupt  uint64        // found damaged when they were read
	Depth    uint64        // held and not acknowledged, with those found by Open
	Bytes    int64         // of disk, all segments
	Age      time.Duration // of the oldest batch that is not acknowledged; of those found by Open, since their segment was last written
	Err      error         // why the last attempt to make a segment failed, if it did
}

// Stats returns the state of the spool.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters
	st := Stats{
		Appended: c.appended, Acked: c.acked, Dropped: c.dropped, Corrupt: c.corrupt,
		Depth: c.depth, Bytes: s.bytes, Err: s.makeErr,
	}
	for _, seg := range s.segs {
		if r := seg.oldest(); r != nil {
			st.Age = max(0, s.config.Now().Sub(seg.openedAt(r)))
			break
		}
	}
	return st
}
