package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// TestDurabilityNoticesSabotage damages the files of a killed process on purpose and wants that very
// damage found: a check that cannot fail is none.
func TestDurabilityNoticesSabotage(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(t *testing.T, l *load, mark string) (fault string)
	}{
		"nothing is done": {func(*testing.T, *load, string) string { return "" }},
		"a bit of a click is flipped": {func(t *testing.T, l *load, mark string) string {
			flipBit(t, l.service.dir, mark)
			return fmt.Sprintf("click %s is lost", mark)
		}},
		"a click is cut out of the spool": {func(t *testing.T, l *load, mark string) string {
			cutFrame(t, l.service.dir, mark)
			return fmt.Sprintf("click %s is lost", mark)
		}},
		"two links swap one target": {func(t *testing.T, l *load, _ string) string {
			mine, other := l.codes[0], l.codes[1]
			overwriteTarget(t, l.service.dir, mine, l.created[other])
			return fmt.Sprintf("link %s leads to %q, want %q", mine, l.created[other], l.created[mine])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.start()
			l := newLoad(t, s)
			l.create(20, 0, new(atomic.Int64))
			to := &line{address: s.public}
			const visits = 200 // fewer than a batch holds
			for i := range visits {
				l.click(to, l.codes[2+i%18], fmt.Sprintf("visit-%03d", i))
			}
			s.kill() // at once: the last clicks cannot have reached the click store
			want := tc.damage(t, l, fmt.Sprintf("visit-%03d", visits-3))
			s.start()
			l.resolve()
			l.settle(5 * time.Second)

			got := slices.DeleteFunc(l.faults(), func(fault string) bool { return bytes.Contains([]byte(fault), []byte(" led to ")) })
			if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
				t.Errorf("got faults %q, want %q alone", got, want)
			}
		})
	}
}

// spooled finds the only spool segment that holds a click with the mark, and where.
func spooled(t *testing.T, dir, mark string) (path string, data []byte, at int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "spool", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(data, []byte(mark)); at >= 0 {
			return path, data, at
		}
	}
	t.Fatalf("click %s is in none of the segments %q", mark, paths)
	return "", nil, 0
}

func flipBit(t *testing.T, dir, mark string) {
	t.Helper()
	path, data, at := spooled(t, dir, mark)
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0); err != nil {
		t.Fatal(err)
	}
}

// cutFrame takes the frame of a click out, as if it had never been written: those behind it move up.
func cutFrame(t *testing.T, dir, mark string) {
	t.Helper()
	path, data, at := spooled(t, dir, mark)
	start, end := frameAround(t, data, at)
	n := copy(data[start:], data[end:])
	clear(data[start+n:])
	if err := os.WriteFile(path, data, 0); err != nil {
		t.Fatal(err)
	}
}

// frameAround returns the bounds of the frame that holds the byte at: a length of what is behind the
// first eight bytes, a checksum, sequence, batch, payload, and zeros up to a multiple of eight.
func frameAround(t *testing.T, data []byte, at int) (start, end int) {
	t.Helper()
	const head, payload = 8, 24
	for start = at &^ 7; start >= 0; start -= 8 {
		length := int(binary.LittleEndian.Uint32(data[start:]))
		end = start + (head+length+7)&^7
		// A click begins with its format, 1; numbers this small have high bytes of zero.
		if length < 64 || length > 4096 || end <= at || start+payload > at || data[start+payload] != 1 {
			continue
		}
		if seq := binary.LittleEndian.Uint64(data[start+head:]); seq > 0 && seq < 1<<32 {
			return start, end
		}
	}
	t.Fatalf("no frame around byte %d", at)
	return 0, 0
}

// overwriteTarget gives a link another's target, in the log and in the view of it.
func overwriteTarget(t *testing.T, dir, code, target string) {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(dir, "links.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"UPDATE events SET data = json_set(data, '$.target', ?) WHERE code = ?",
		"UPDATE links SET target = ? WHERE code = ?",
	} {
		result, err := db.Exec(statement, target, code)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			t.Fatalf("%s: got %d rows and %v, want 1", statement, n, err)
		}
	}
}
