package spool

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Writers, a reader, the ticker that closes batches and Run at once, in a spool that is full now and then:
// what was taken is read once, in batches that rise.
func TestAllAtOnce(t *testing.T) {
	const writers, each = 4, 3000
	c := small(t.TempDir())
	c.MaxBytes = 6 * c.SegmentBytes
	s := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	background := make(chan error, 2)
	go func() { background <- s.Run(ctx) }()
	go func() { background <- closeBatches(ctx, s) }()

	for w := range writers {
		go func() {
			for i := 0; i < each; {
				switch _, err := s.Append(fmt.Appendf(nil, "%d-%d", w, i)); {
				case err == nil:
					i++
				case !errors.Is(err, ErrFull):
					t.Errorf("Append: %v", err)
					return
				}
			}
		}()
	}
	seen := map[string]bool{}
	for after := uint64(0); len(seen) < writers*each; {
		b, err := s.Next(ctx, after)
		if err != nil {
			t.Fatalf("Next after %d payloads: %v", len(seen), err)
		}
		if b.Number <= after {
			t.Fatalf("Next(%d): got batch %d", after, b.Number)
		}
		after = b.Number
		for _, p := range b.Payloads {
			if seen[string(p)] {
				t.Fatalf("%s was read twice", p)
			}
			seen[string(p)] = true
		}
		s.Ack(b.Number)
	}
	cancel()
	for range 2 {
		if err := <-background; err != nil {
			t.Error(err)
		}
	}
	if st := s.Stats(); st.Depth != 0 || st.Appended != writers*each || st.Acked != writers*each || st.Bytes > c.MaxBytes {
		t.Fatalf("stats: got %+v, want %d appended and acknowledged", st, writers*each)
	}
}

func closeBatches(ctx context.Context, s *Spool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.CloseBatch()
		}
	}
}
