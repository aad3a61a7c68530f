package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// crash copies the directory of an open spool as a process killed now would leave it, and returns a
// config for the copy.
func crash(t testing.TB, c Config) Config {
	t.Helper()
	to, err := os.MkdirTemp(filepath.Dir(c.Dir), "crashed")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(c.Dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Dir = to
	return c
}

// edit changes a file of a spool that nobody has open.
func edit(t testing.TB, path string, change func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lastFrame returns where the last frame of the active segment lies.
func lastFrame(s *Spool) (path string, from, to int) {
	scan := scanner{data: s.active.data, salt: s.active.salt, off: headerSize}
	for _, at, ok := scan.next(); ok; _, at, ok = scan.next() {
		from = at
	}
	return s.active.path, from, scan.off
}

func in(c Config, path string) string { return filepath.Join(c.Dir, filepath.Base(path)) }

func TestTornTailAtEveryOffset(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	want := numbered(0, 6)
	appendAll(t, s, want...)
	path, from, to := lastFrame(s)
	for _, rest := range []byte{0, 0xff} {
		for cut := from; cut <= to; cut++ {
			crashed := crash(t, c)
			edit(t, in(crashed, path), func(b []byte) {
				for i := cut; i < to; i++ {
					b[i] = rest
				}
			})
			wantTornRecovery(t, crashed, want, cut < from+frameHead+len(want[5]))
			_ = os.RemoveAll(crashed.Dir)
		}
	}
}

// wantTornRecovery opens a spool whose last frame may be torn, and appends behind it.
func wantTornRecovery(t *testing.T, c Config, want []string, torn bool) {
	t.Helper()
	if torn {
		want = want[:len(want)-1]
	}
	s := open(t, c)
	wantContents(t, s, want)
	if r := s.Recovery(); r.Frames != len(want) || r.Quarantined != 0 || r.Truncated > 0 && !torn && r.Truncated >= frameAlign {
		t.Fatalf("recovery: got %+v, want %d frames", r, len(want))
	}
	used := s.Closed()
	appendAll(t, s, "after")
	s.CloseBatch()
	want = append(slices.Clone(want), "after")
	wantContents(t, s, want)
	if got := s.Unacked(); got[len(got)-1] <= used {
		t.Fatalf("batch of the append after: got %d, want more than %d", got[len(got)-1], used)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	wantContents(t, s, want)
	if r := s.Recovery(); r.Truncated != 0 {
		t.Fatalf("second recovery: got %+v, want nothing left to cut off", r)
	}
	_ = s.Close()
}

func TestDamageInTheMiddleIsSteppedOverAndReported(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	all := numbered(0, 30)
	appendAll(t, s, all...)
	size := frameSize(len(all[0]))
	crashed := crash(t, c)
	edit(t, in(crashed, s.active.path), func(b []byte) {
		b[headerSize+10*size+frameHead] ^= 1                        // the payload of one
		clear(b[headerSize+20*size : headerSize+21*size])           // all of another
		b[headerSize+21*size+4] ^= 0x80                             // and the checksum of the next
		copy(b[headerSize+25*size:], b[headerSize+24*size:][:size]) // an old frame over the next of its batch
	})
	r := open(t, crashed)
	want := slices.DeleteFunc(slices.Clone(all), func(p string) bool {
		return slices.Contains([]string{all[10], all[20], all[21], all[25]}, p)
	})
	r.CloseBatch()
	wantContents(t, r, want)
	got := r.Recovery()
	if got.Quarantined != 3 || got.QuarantinedBytes != int64(4*size) || got.Frames != 26 || got.Truncated != 0 {
		t.Fatalf("recovery: got %+v, want 26 frames and 3 stretches of %d bytes", got, 4*size)
	}
	b, err := r.ReadBatch(3)
	if err != nil || !slices.Equal(b.Seqs, []uint64{9, 10, 12}) {
		t.Fatalf("batch with a hole: got %v, %v, want sequence numbers 9, 10, 12", b.Seqs, err)
	}
}

func TestDamageUnderAnOpenSpoolIsNotReturned(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	appendAll(t, s, numbered(0, 8)...)
	s.active.data[headerSize+frameHead] ^= 1
	wantContents(t, s, numbered(1, 8))
	if got := s.Stats().Corrupt; got != 1 {
		t.Fatalf("corrupt: got %d, want 1", got)
	}
}

func TestBitFlipNeverYieldsAWrongPayload(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	for i := range 40 {
		appendAll(t, s, strings.Repeat("ab", i), string(bytes.Repeat([]byte{byte(i)}, i)))
	}
	data, salt := s.segs[0].data, s.segs[0].salt
	good := map[uint64]string{}
	walk(data, salt, func(f frame) { good[f.seq] = string(f.payload) })

	flipped := bytes.Clone(data)
	for bit := headerSize * 8; bit < len(data)*8; bit++ {
		flipped[bit/8] ^= 1 << (bit % 8)
		found := 0
		walk(flipped, salt, func(f frame) {
			found++
			if want, ok := good[f.seq]; !ok || want != string(f.payload) {
				t.Fatalf("bit %d: frame %d: got %q, want %q", bit, f.seq, f.payload, want)
			}
		})
		if found < len(good)-1 {
			t.Fatalf("bit %d: got %d frames, want all %d but one", bit, found, len(good))
		}
		flipped[bit/8] ^= 1 << (bit % 8)
	}
}

func walk(data []byte, salt uint32, f func(frame)) {
	scan := scanner{data: data, salt: salt, off: headerSize}
	for fr, _, ok := scan.next(); ok; fr, _, ok = scan.next() {
		f(fr)
	}
}

func TestAnyDamagedFileOpens(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	all := numbered(0, 10)
	appendAll(t, s, all...)
	s.Ack(1)
	used := uint64(3)
	for _, name := range []string{producerFile, marksFile, filepath.Base(s.active.path)} {
		size := map[string]int{producerFile: 29, marksFile: twinSize}[name]
		for at := range max(size, headerSize) {
			if size > 0 && at >= size {
				break
			}
			crashed := crash(t, c)
			edit(t, filepath.Join(crashed.Dir, name), func(b []byte) { b[at] ^= 1 << (at % 8) })
			r := open(t, crashed)
			if r.Producer() != s.Producer() {
				t.Fatalf("%s byte %d: producer got %s, want %s", name, at, r.Producer(), s.Producer())
			}
			appendAll(t, r, "after")
			r.CloseBatch()
			got := contents(t, r)
			if tail := append(slices.Clone(all[4:]), "after"); !slices.Equal(got[max(0, len(got)-len(tail)):], tail) {
				t.Fatalf("%s byte %d: got %q, want %q at the end", name, at, got, tail)
			}
			if n := r.Unacked(); n[len(n)-1] <= used {
				t.Fatalf("%s byte %d: new batch got %d, want more than %d", name, at, n[len(n)-1], used)
			}
			_ = r.Close()
			_ = os.RemoveAll(crashed.Dir)
		}
	}
}

func TestNumbersOfVanishedFramesAreLeftOut(t *testing.T) {
	for name, lose := range map[string]func(b []byte){
		"garbage instead of the last frames": func(b []byte) {
			for i := 1000; i < 2500; i++ {
				b[i] = 0xa5
			}
		},
		"all frames damaged": func(b []byte) {
			for i := headerSize; i < len(b); i += 8 {
				b[i] ^= 1
			}
		},
		"pages never written, on another start of the machine": func(b []byte) {
			clear(b[512:])
			anotherBoot(b)
		},
		"no page but the header written": func(b []byte) {
			clear(b[headerSize:])
			anotherBoot(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := small(t.TempDir())
			s := open(t, c)
			appendAll(t, s, numbered(0, 50)...)
			used := s.Closed() + 1
			crashed := crash(t, c)
			edit(t, in(crashed, s.active.path), lose)
			for range 2 { // the second time there is no trace of the damage
				recovered := open(t, crashed)
				crashed = crash(t, crashed) // before anything is appended
				_ = recovered.Close()
				s = open(t, crashed)
				if s.Closed() < used {
					t.Fatalf("next batch: got %d, want more than %d: others may have read it", s.Closed()+1, used)
				}
				seq, err := s.Append([]byte("after"))
				if err != nil || seq <= 50 {
					t.Fatalf("next sequence number: got %d, %v, want more than 50", seq, err)
				}
				s.CloseBatch()
				if got := contents(t, s); got[len(got)-1] != "after" {
					t.Fatalf("contents: got %q, want the append after at the end", got)
				}
				_ = s.Close()
			}
		})
	}
}

// anotherBoot makes the header of a segment one of another start of the machine.
func anotherBoot(b []byte) {
	w := twin{mem: b[:twinSize]}
	fields, _ := w.load()
	fields[4] ^= 1
	w.store(fields)
}

func TestLostSegmentsMakeANewProducer(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	appendAll(t, s, "a")
	before := s.Producer()
	_ = s.Close()
	paths, _ := filepath.Glob(filepath.Join(c.Dir, "*"+segmentSuffix))
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	if got := open(t, c).Producer(); got == before {
		t.Fatalf("producer after its segments were removed: got %s again; its numbers would start anew", got)
	}
}

func TestStubsAreSetAside(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	appendAll(t, s, "a")
	_ = s.Close()
	for name, content := range map[string]string{
		"0000000077" + segmentSuffix:              "stub",
		"0000000078" + segmentSuffix:              "",
		"0000000079" + segmentSuffix + tempSuffix: "never finished",
		"notes.txt": "not ours",
	} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, c)
	wantContents(t, s, []string{"a"})
	if got := s.Recovery().Quarantined; got != 2 {
		t.Fatalf("quarantined: got %d, want 2 stubs", got)
	}
	for name, want := range map[string]bool{
		"0000000077" + segmentSuffix + damagedSuffix: true,
		"0000000079" + segmentSuffix + tempSuffix:    false,
		"notes.txt": true,
	} {
		if _, err := os.Stat(filepath.Join(c.Dir, name)); (err == nil) != want {
			t.Errorf("%s is there: got %v, want %v", name, err == nil, want)
		}
	}
}

func TestReadOnlyDirectoryIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		// Permissions do not bind root; a directory where a file has to be does.
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, lockFile), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(small(dir)); err == nil {
			t.Fatal("Open without a lock: got nil, want an error")
		}
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(small(dir)); err == nil {
		t.Fatal("Open of a read-only directory: got nil, want an error")
	}
}

// A payload that looks like a frame must not come up as one when the frame around it is damaged.
func TestSmuggledFrameIsNotFound(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	smuggled := make([]byte, frameSize(5))
	putFrame(smuggled, 0, 2, 1, []byte("fraud")) // whoever writes payloads does not know the salt
	appendAll(t, s, string(smuggled), "good")
	crashed := crash(t, c)
	edit(t, in(crashed, s.active.path), func(b []byte) { b[headerSize+8] ^= 1 })
	r := open(t, crashed)
	wantContents(t, r, []string{"good"})
}

func TestFramesOfAnotherSegmentAreNotFound(t *testing.T) {
	c := small(t.TempDir())
	s := open(t, c)
	appendAll(t, s, numbered(0, 150)...)
	first, second := s.segs[0], s.segs[1]
	crashed := crash(t, c)
	edit(t, in(crashed, second.path), func(b []byte) { copy(b[headerSize:], first.data[headerSize:]) })
	r := open(t, crashed)
	seen := map[string]int{}
	for _, p := range contents(t, r) {
		if seen[p]++; seen[p] > 1 {
			t.Fatalf("%q was returned twice", p)
		}
	}
	if len(seen) == 0 || seen[fmt.Sprintf("payload %04d", 0)] != 1 {
		t.Fatalf("got %d payloads, want those of the sound segments", len(seen))
	}
}
