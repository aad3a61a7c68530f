package spool

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is what a spool ought to hold.
type model struct {
	t      *rapid.T
	tb     testing.TB
	config Config
	spool  *Spool
	closed map[uint64][]string
	open   []string
	acked  map[uint64]bool
	count  int
}

func TestSpoolAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "spool")
		if err != nil {
			rt.Fatal(err)
		}
		c := small(dir)
		c.MaxBatch = rapid.IntRange(1, 6).Draw(rt, "max batch")
		m := &model{t: rt, tb: t, config: c, closed: map[uint64][]string{}, acked: map[uint64]bool{}}
		m.start()
		defer func() { _ = m.spool.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"close batch": func(*rapid.T) {
				m.spool.CloseBatch()
				m.closeBatch()
			},
			"ack":     m.ack,
			"restart": func(*rapid.T) { m.restart(false) },
			"kill":    func(*rapid.T) { m.restart(true) },
			"":        func(*rapid.T) { m.check() },
		})
	})
}

func (m *model) start() {
	s, err := Open(m.config)
	if err != nil {
		m.t.Fatalf("Open: %v", err)
	}
	m.spool = s
}

func (m *model) append(t *rapid.T) {
	for range rapid.IntRange(1, 30).Draw(t, "frames") {
		m.count++
		p := fmt.Sprintf("%d:%s", m.count, make([]byte, rapid.IntRange(0, 300).Draw(t, "bytes")))
		if _, err := m.spool.Append([]byte(p)); err != nil {
			t.Fatalf("Append: %v", err)
		}
		m.appended(p)
	}
}

// appended follows a frame into its batch. Where a segment ends the batch closes before the frame.
func (m *model) appended(p string) {
	if len(m.open) > 0 && lastBatch(m.spool) != uint64(len(m.closed)+1) {
		m.closeBatch()
	}
	m.open = append(m.open, p)
	if len(m.open) == m.config.MaxBatch {
		m.closeBatch()
	}
}

// lastBatch returns the number of the batch that the last append went to.
func lastBatch(s *Spool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active.refs[len(s.active.refs)-1].number
}

// closeBatch relies on numbers being contiguous while nothing is damaged.
func (m *model) closeBatch() {
	if len(m.open) > 0 {
		m.closed[uint64(len(m.closed)+1)] = m.open
		m.open = nil
	}
}

func (m *model) ack(t *rapid.T) {
	for range rapid.IntRange(1, 10).Draw(t, "acks") {
		n := rapid.Uint64Range(0, uint64(len(m.closed)+2)).Draw(t, "batch")
		m.spool.Ack(n)
		if m.closed[n] != nil {
			m.acked[n] = true
		}
	}
}

// restart closes or kills the spool and opens it again. What was acknowledged above an unacknowledged
// batch may come back.
func (m *model) restart(kill bool) {
	killed := m.config
	if kill {
		killed = crash(m.tb, m.config)
	}
	if err := m.spool.Close(); err != nil {
		m.t.Fatalf("Close: %v", err)
	}
	m.config = killed
	m.closeBatch()
	m.start()
	unacked := m.spool.Unacked()
	for n := range m.acked {
		if slices.Contains(unacked, n) {
			if n < m.lowest() {
				m.t.Fatalf("batch %d is back though all up to %d were acknowledged", n, m.lowest()-1)
			}
			delete(m.acked, n)
		}
	}
	if r := m.spool.Recovery(); r.Truncated != 0 || r.Quarantined != 0 || r.LeftOut != 0 {
		m.t.Fatalf("recovery of a sound spool: got %+v", r)
	}
}

// lowest returns the first batch that is not acknowledged.
func (m *model) lowest() uint64 {
	n := uint64(1)
	for m.acked[n] {
		n++
	}
	return n
}

func (m *model) check() {
	if got, want := m.spool.Closed(), uint64(len(m.closed)); got != want {
		m.t.Fatalf("closed: got %d, want %d", got, want)
	}
	var want []uint64
	depth := len(m.open)
	for n := uint64(1); n <= uint64(len(m.closed)); n++ {
		if !m.acked[n] {
			want = append(want, n)
			depth += len(m.closed[n])
		}
	}
	got := m.spool.Unacked()
	if !slices.Equal(got, want) {
		m.t.Fatalf("unacked: got %v, want %v", got, want)
	}
	if oldest := m.spool.Oldest(); oldest != m.lowest() {
		m.t.Fatalf("oldest: got %d, want %d", oldest, m.lowest())
	}
	if st := m.spool.Stats(); st.Depth != uint64(depth) {
		m.t.Fatalf("depth: got %d, want %d", st.Depth, depth)
	}
	for _, n := range want {
		b, err := m.spool.ReadBatch(n)
		if err != nil {
			m.t.Fatalf("ReadBatch(%d): %v", n, err)
		}
		if !slices.EqualFunc(b.Payloads, m.closed[n], func(p []byte, s string) bool { return string(p) == s }) {
			m.t.Fatalf("batch %d: got %d payloads, want %d", n, len(b.Payloads), len(m.closed[n]))
		}
	}
}

// Whatever happens to the files, what is read was appended, under the batch number it had, and no number
// is given twice.
func TestDamagedSpoolTellsNoLies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "spool")
		if err != nil {
			rt.Fatal(err)
		}
		c := small(dir)
		at := map[string]uint64{} // payload to batch
		var highest uint64
		count := 0
		for range rapid.IntRange(2, 4).Draw(rt, "lives") {
			s, err := Open(c)
			if err != nil {
				rt.Fatalf("Open: %v", err)
			}
			if s.Closed() < highest {
				rt.Fatalf("next batch: got %d, want more than %d", s.Closed()+1, highest)
			}
			for range rapid.IntRange(1, 150).Draw(rt, "frames") {
				count++
				p := fmt.Sprintf("payload %d", count)
				if _, err := s.Append([]byte(p)); err != nil {
					rt.Fatalf("Append: %v", err)
				}
				highest = lastBatch(s)
				at[p] = highest
			}
			s.CloseBatch()
			for _, n := range s.Unacked() {
				b, err := s.ReadBatch(n)
				if err != nil {
					rt.Fatalf("ReadBatch(%d): %v", n, err)
				}
				for _, p := range b.Payloads {
					if at[string(p)] != n {
						rt.Fatalf("batch %d: got %q, which was appended to batch %d", n, p, at[string(p)])
					}
				}
			}
			killed := crash(t, c)
			paths := make([]string, 0, len(s.segs))
			for _, seg := range s.segs {
				paths = append(paths, in(killed, seg.path))
			}
			_ = s.Close()
			c = killed
			damage(t, rt, rapid.SampledFrom(paths).Draw(rt, "segment"))
		}
	})
}

// damage overwrites a stretch behind the header.
func damage(t testing.TB, rt *rapid.T, path string) {
	edit(t, path, func(b []byte) {
		from := rapid.IntRange(headerSize, len(b)-1).Draw(rt, "from")
		n := rapid.IntRange(1, 600).Draw(rt, "length")
		mask := rapid.Byte().Draw(rt, "mask")
		for i := from; i < min(from+n, len(b)); i++ {
			b[i] ^= mask
		}
	})
}
