package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// small makes every boundary near: a segment holds a few dozen frames.
func small(dir string) Config {
	return Config{Dir: dir, SegmentBytes: 4096, MaxBytes: 64 * 4096, MaxBatch: 4}
}

func open(t testing.TB, c Config) *Spool {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func appendAll(t testing.TB, s *Spool, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if _, err := s.Append([]byte(p)); err != nil {
			t.Fatalf("Append(%q): %v", p, err)
		}
	}
}

func numbered(from, to int) []string {
	var p []string
	for i := from; i < to; i++ {
		p = append(p, fmt.Sprintf("payload %04d", i))
	}
	return p
}

// contents returns the payloads of all closed unacknowledged batches in order.
func contents(t testing.TB, s *Spool) []string {
	t.Helper()
	var all []string
	for _, n := range s.Unacked() {
		b, err := s.ReadBatch(n)
		if err != nil {
			t.Fatalf("ReadBatch(%d): %v", n, err)
		}
		for _, p := range b.Payloads {
			all = append(all, string(p))
		}
	}
	return all
}

func wantContents(t testing.TB, s *Spool, want []string) {
	t.Helper()
	if got := contents(t, s); !slices.Equal(got, want) {
		t.Fatalf("contents: got %d %.200q, want %d %.200q", len(got), got, len(want), want)
	}
}

func TestBatchesCloseWhenFullAndWhenAsked(t *testing.T) {
	s := open(t, small(t.TempDir()))
	s.CloseBatch()
	if got := s.Closed(); got != 0 {
		t.Fatalf("closed after closing nothing: got %d, want 0", got)
	}
	appendAll(t, s, numbered(0, 6)...)
	if got := s.Closed(); got != 1 {
		t.Fatalf("closed after 6 frames in batches of 4: got %d, want 1", got)
	}
	s.CloseBatch()
	b, err := s.ReadBatch(2)
	if err != nil || b.Number != 2 || b.FirstSeq != 5 || len(b.Payloads) != 2 || string(b.Payloads[1]) != "payload 0005" {
		t.Fatalf("ReadBatch(2): got %+v, %v", b, err)
	}
	if !slices.Equal(b.Seqs, []uint64{5, 6}) {
		t.Fatalf("sequence numbers: got %v, want 5, 6", b.Seqs)
	}
	if _, err := s.ReadBatch(3); !errors.Is(err, ErrNoBatch) {
		t.Fatalf("ReadBatch of one not closed: got %v, want ErrNoBatch", err)
	}
	wantContents(t, s, numbered(0, 6))
}

func TestNumbersGoOnAfterRestart(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	producer := s.Producer()
	appendAll(t, s, numbered(0, 6)...)
	for round := range 5 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		s = open(t, c)
		want := uint64(2 + round)
		if got := s.Closed(); got != want {
			t.Fatalf("closed after restart %d: got %d, want %d", round, got, want)
		}
		seq, err := s.Append([]byte(numbered(6+round, 7+round)[0]))
		if err != nil || seq != uint64(7+round) {
			t.Fatalf("Append after restart: got sequence %d, %v, want %d", seq, err, 7+round)
		}
	}
	s.CloseBatch()
	wantContents(t, s, numbered(0, 11))
	if s.Producer() != producer || len(producer) != 16 {
		t.Fatalf("producer: got %q, want %q as before", s.Producer(), producer)
	}
	if r := s.Recovery(); r.Frames != 10 || r.Truncated != 0 || r.Quarantined != 0 || r.LeftOut != 0 {
		t.Fatalf("recovery of a sound spool: got %+v", r)
	}
}

func TestNumbersAreNotReusedWhenAllWasAcknowledged(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	for round := range 6 {
		first := s.Closed() + 1
		appendAll(t, s, numbered(0, 150)...) // more than a segment
		s.CloseBatch()
		if got := s.Unacked()[0]; got != first {
			t.Fatalf("round %d: first batch got %d, want %d", round, got, first)
		}
		for _, n := range s.Unacked() {
			s.Ack(n)
		}
		if got := s.Oldest(); got != s.Closed()+1 {
			t.Fatalf("oldest with all acknowledged: got %d, want %d", got, s.Closed()+1)
		}
		before := s.Closed()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, c)
		if s.Closed() != before || len(s.Unacked()) != 0 {
			t.Fatalf("after restart: closed %d, unacked %v; want %d, none", s.Closed(), s.Unacked(), before)
		}
	}
}

func TestSegmentsGoOnceAcknowledgedInAnyOrder(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	appendAll(t, s, numbered(0, 500)...)
	s.CloseBatch()
	segments := func() int {
		n, err := listSegments(c.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(n)
	}
	full := segments()
	numbers := s.Unacked()
	slices.Reverse(numbers)
	for _, n := range numbers[:len(numbers)-1] {
		s.Ack(n)
		s.Ack(n)
	}
	if got := segments(); got >= full || got > 3 {
		t.Fatalf("segments with one batch left: got %d of %d, want the first and the active one", got, full)
	}
	if got := s.Unacked(); !slices.Equal(got, []uint64{1}) || s.Oldest() != 1 {
		t.Fatalf("unacked: got %v, oldest %d, want batch 1", got, s.Oldest())
	}
	s.Ack(1)
	s.Ack(99999)
	if st := s.Stats(); st.Depth != 0 || st.Acked != 500 || st.Appended != 500 || st.Age != 0 {
		t.Fatalf("stats: got %+v, want 500 appended and acknowledged", st)
	}
	if got := segments(); got > 2 {
		t.Fatalf("segments with nothing left: got %d, want the active and at most one prepared", got)
	}
}

func TestFullRefusesAndRecovers(t *testing.T) {
	c := small(t.TempDir())
	c.MaxBytes = 2 * c.SegmentBytes
	s := open(t, c)
	payload := make([]byte, 1000)
	taken := 0
	for ; ; taken++ {
		if _, err := s.Append(payload); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); taken != 6 || st.Dropped != 1 || st.Depth != 6 || st.Bytes != c.MaxBytes {
		t.Fatalf("got %d taken, stats %+v; want 6 taken, 1 dropped, all bytes in use", taken, st)
	}
	for _, n := range s.Unacked() {
		s.Ack(n)
	}
	if _, err := s.Append(payload); err != nil {
		t.Fatalf("Append after acknowledging: %v", err)
	}
	if _, err := s.Append(make([]byte, c.SegmentBytes)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("Append of more than a segment: got %v, want ErrTooLarge", err)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	if _, err := Open(c); !errors.Is(err, ErrLocked) {
		t.Fatalf("second Open: got %v, want ErrLocked", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatalf("closing twice: %v", err)
	}
	if _, err := s.Append(nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("Append after Close: got %v, want ErrClosed", err)
	}
	open(t, c)
}

func TestBadConfigIsRefused(t *testing.T) {
	for name, c := range map[string]Config{
		"no directory":          {},
		"tiny segments":         {Dir: t.TempDir(), SegmentBytes: 100},
		"room for one segment":  {Dir: t.TempDir(), SegmentBytes: 1 << 20, MaxBytes: 1 << 20},
		"batches without end":   {Dir: t.TempDir(), MaxBatch: 1 << 20},
		"directory is a file":   {Dir: file(t)},
		"directory in a file":   {Dir: filepath.Join(file(t), "x")},
		"negative segment size": {Dir: t.TempDir(), SegmentBytes: -1},
	} {
		if s, err := Open(c); err == nil {
			t.Errorf("%s: opened, want an error", name)
			_ = s.Close()
		}
	}
}

func file(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWaitWakesOnCloseOfABatchAndOfTheSpool(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, small(dir))
		got := make(chan error)
		wait := func(after uint64) { go func() { got <- s.Wait(t.Context(), after) }() }

		wait(0)
		synctest.Wait()
		appendAll(t, s, "a")
		s.CloseBatch()
		if err := <-got; err != nil {
			t.Fatalf("Wait(0): %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait past the deadline: got %v", err)
		}
		wait(1)
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Fatalf("Wait over Close: got %v, want ErrClosed", err)
		}
	})
}

func TestNextGoesThroughWhatIsNotAcknowledged(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, small(dir))
		appendAll(t, s, numbered(0, 12)...)
		s.Ack(2)
		var got []uint64
		for after := uint64(0); after < 3; {
			b, err := s.Next(t.Context(), after)
			if err != nil {
				t.Fatal(err)
			}
			after = b.Number
			got = append(got, after)
		}
		if want := []uint64{1, 3}; !slices.Equal(got, want) {
			t.Fatalf("Next: got %v, want %v", got, want)
		}
		next := make(chan Batch)
		go func() {
			b, _ := s.Next(t.Context(), 3)
			next <- b
		}()
		synctest.Wait()
		appendAll(t, s, "late")
		s.CloseBatch()
		if b := <-next; b.Number != 4 || string(b.Payloads[0]) != "late" {
			t.Fatalf("Next after waiting: got %+v, want batch 4", b)
		}
	})
}

func TestAgeIsThatOfTheOldestUnacknowledged(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	c := small(t.TempDir())
	c.Now = func() time.Time { return now }
	s := open(t, c)
	if got := s.Stats().Age; got != 0 {
		t.Fatalf("age of an empty spool: got %v", got)
	}
	appendAll(t, s, numbered(0, 4)...)
	now = now.Add(3 * time.Second)
	appendAll(t, s, numbered(4, 8)...)
	now = now.Add(time.Second)
	if got := s.Stats().Age; got != 4*time.Second {
		t.Fatalf("age: got %v, want 4s", got)
	}
	s.Ack(1)
	if got := s.Stats().Age; got != time.Second {
		t.Fatalf("age with the first acknowledged: got %v, want 1s", got)
	}
}

func TestRunPreparesTheNextSegment(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, small(dir))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for range 300 {
			synctest.Wait()
			s.mu.Lock()
			prepared := s.next != nil
			s.mu.Unlock()
			if !prepared {
				t.Fatal("no segment is prepared though Run is idle")
			}
			appendAll(t, s, "payload")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("Run after cancel: got %v, want nil", err)
		}
	})
}

func TestPowerDurabilityUnderConcurrency(t *testing.T) {
	c := small(t.TempDir())
	c.Durability = Power
	s := open(t, c)
	done := make(chan error)
	for g := range 8 {
		go func() {
			for i := range 25 {
				if _, err := s.Append(fmt.Appendf(nil, "%d-%d", g, i)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segs {
		if seg.flushed != seg.end {
			t.Errorf("segment %d: flushed to %d, want %d", seg.index, seg.flushed, seg.end)
		}
	}
}

func TestFailedSyncSticks(t *testing.T) {
	var g powerGroup
	g.done.L = &g.mu
	broken := errors.New("broken")
	if err := g.wait(1, func() (uint64, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Fatalf("wait: got %v, want broken", err)
	}
	if err := g.wait(2, func() (uint64, error) { return 2, nil }); !errors.Is(err, broken) {
		t.Fatalf("wait after a failure: got %v, want broken for ever", err)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	payload := make([]byte, 200)
	if got := testing.AllocsPerRun(2000, func() { _, _ = s.Append(payload) }); got != 0 {
		t.Fatalf("allocations per Append: got %v, want 0", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 200)
	for _, parallel := range []bool{false, true} {
		b.Run(map[bool]string{false: "serial", true: "parallel"}[parallel], func(b *testing.B) {
			s := open(b, Config{Dir: b.TempDir(), MaxBytes: 4 << 30})
			stop := drain(b, s)
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			one := func() {
				if _, err := s.Append(payload); err != nil {
					b.Error(err)
				}
			}
			if parallel {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one()
					}
				})
			} else {
				for b.Loop() {
					one()
				}
			}
			b.StopTimer()
			stop()
		})
	}
}

// drain runs the spool and acknowledges what it holds, until stopped.
func drain(b *testing.B, s *Spool) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{}, 2)
	go func() {
		_ = s.Run(ctx)
		done <- struct{}{}
	}()
	go func() {
		for after := uint64(0); s.Wait(ctx, after) == nil; {
			for closed := s.Closed(); after < closed; {
				after++
				s.Ack(after)
			}
		}
		done <- struct{}{}
	}()
	return func() {
		cancel()
		<-done
		<-done
	}
}
