package spool

import (
	"context"
	"fmt"
)

// Batch is a run of payloads that were closed together. It is the reader's own copy.
type Batch struct {
	Number   uint64
	FirstSeq uint64
	Payloads [][]byte
	// Seqs holds the sequence number of each payload. They follow one another from FirstSeq unless frames
	// were lost to damage.
	Seqs []uint64
}

// Closed returns the number of the highest closed batch, 0 before the first.
func (s *Spool) Closed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed()
}

// closed counts every number that was given or left out, but for that of the open batch.
func (s *Spool) closed() uint64 { return s.batch - 1 }

// Oldest returns the number of the first batch that is not acknowledged; when all are, that of the next
// batch to close.
func (s *Spool) Oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest()
}

func (s *Spool) oldest() uint64 {
	for _, seg := range s.segs {
		if r := seg.oldest(); r != nil {
			return r.number
		}
	}
	return s.batch
}

// Wait returns nil once a batch with a number above after is closed. The error is that of ctx, or ErrClosed.
func (s *Spool) Wait(ctx context.Context, after uint64) error {
	for {
		s.mu.Lock()
		if s.closed() > after {
			s.mu.Unlock()
			return nil
		}
		if s.shut {
			s.mu.Unlock()
			return ErrClosed
		}
		if s.waiters == nil {
			s.waiters = make(chan struct{})
		}
		waiters := s.waiters
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-waiters:
		}
	}
}

// Next returns the first closed batch above after that is not acknowledged, waiting for one if need be.
// It is how a reader goes through the log: by passing the number it got last.
func (s *Spool) Next(ctx context.Context, after uint64) (Batch, error) {
	for {
		number, ok := s.nextUnacked(after)
		if !ok {
			after = max(after, number)
			if err := s.Wait(ctx, after); err != nil {
				return Batch{}, err
			}
			continue
		}
		b, err := s.ReadBatch(number)
		if err == nil {
			return b, nil
		}
		if s.isShut() {
			return Batch{}, ErrClosed
		}
		after = number // acknowledged meanwhile
	}
}

// nextUnacked returns the first closed unacknowledged batch above after, or false and the highest closed one.
func (s *Spool) nextUnacked(after uint64) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segs {
		if n := len(seg.refs); n == 0 || seg.refs[n-1].number <= after {
			continue
		}
		i, _ := seg.place(after + 1)
		for i = max(i, seg.first); i < len(seg.refs); i++ {
			if r := &seg.refs[i]; r.number < s.batch && !r.acked {
				return r.number, true
			}
		}
	}
	return s.closed(), false
}

func (s *Spool) isShut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut
}

// ReadBatch returns a closed batch, or ErrNoBatch. Checksums are verified once more: frames that were
// damaged on disk since are left out and counted in Stats.
func (s *Spool) ReadBatch(number uint64) (Batch, error) {
	seg, ref, err := s.find(number)
	if err != nil {
		return Batch{}, err
	}
	data, err := seg.copy(ref)
	if err != nil {
		return Batch{}, err
	}
	b := decodeBatch(number, data, seg.salt, int(ref.frames))
	if lost := int(ref.frames) - len(b.Payloads); lost > 0 {
		s.mu.Lock()
		s.counters.corrupt += uint64(lost)
		s.mu.Unlock()
	}
	return b, nil
}

func (s *Spool) find(number uint64) (*segment, batchRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil, batchRef{}, ErrClosed
	}
	if number < s.batch {
		if seg, ref := s.ref(number); ref != nil {
			return seg, *ref, nil
		}
	}
	return nil, batchRef{}, fmt.Errorf("%w: %d", ErrNoBatch, number)
}

// ref returns the segment and the entry of a batch, closed or open, or nil.
func (s *Spool) ref(number uint64) (*segment, *batchRef) {
	for _, seg := range s.segs {
		if n := len(seg.refs); n > 0 && number <= seg.refs[n-1].number {
			return seg, seg.ref(number)
		}
	}
	return nil, nil
}

// copy returns the bytes of a closed batch, which nobody writes any more.
func (s *segment) copy(r batchRef) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.data == nil {
		return nil, fmt.Errorf("%w: %d", ErrNoBatch, r.number)
	}
	return append([]byte(nil), s.data[r.off:r.end]...), nil
}

// decodeBatch returns the good frames of batch number in data, about count of them.
func decodeBatch(number uint64, data []byte, salt uint32, count int) Batch {
	b := Batch{Number: number, Payloads: make([][]byte, 0, count), Seqs: make([]uint64, 0, count)}
	scan := scanner{data: data, salt: salt}
	for f, _, ok := scan.next(); ok; f, _, ok = scan.next() {
		if f.batch == number {
			b.Payloads = append(b.Payloads, f.payload)
			b.Seqs = append(b.Seqs, f.seq)
		}
	}
	if len(b.Seqs) > 0 {
		b.FirstSeq = b.Seqs[0]
	}
	return b
}
