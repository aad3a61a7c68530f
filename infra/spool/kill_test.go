package spool

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

const appenderDir = "SPOOL_TEST_APPENDER_DIR"

// TestMain lets the test binary serve as the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(appenderDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killedConfig makes segments end often.
func killedConfig(dir string) Config {
	return Config{Dir: dir, SegmentBytes: 64 << 10, MaxBytes: 1 << 30, MaxBatch: 32}
}

// appendForEver appends from several goroutines and says on stdout, after each Append returned, what it was.
func appendForEver(dir string) error {
	s, err := Open(killedConfig(dir))
	if err != nil {
		return err
	}
	life := s.Closed() // differs from life to life
	var out sync.Mutex
	errs := make(chan error)
	for g := range uint64(4) {
		go func() {
			for i := uint64(0); ; i++ {
				p := payloadOf(life, g, i)
				if _, err := s.Append(p); err != nil {
					errs <- err
					return
				}
				if i%7 == 0 {
					s.CloseBatch()
				}
				out.Lock()
				_, err := os.Stdout.Write(p[:24])
				out.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func payloadOf(life, g, i uint64) []byte {
	p := make([]byte, 24+i%200)
	binary.LittleEndian.PutUint64(p, life)
	binary.LittleEndian.PutUint64(p[8:], g)
	binary.LittleEndian.PutUint64(p[16:], i)
	for j := range p[24:] {
		p[24+j] = byte(i)
	}
	return p
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	told := map[string]bool{}
	for life := range 5 {
		for _, p := range runAndKill(t, dir, 2000+977*life) {
			told[p] = true
		}
		wantAllOnce(t, dir, told)
	}
}

// runAndKill runs the appender, kills it when it has told of n appends, and returns all it told.
func runAndKill(t *testing.T, dir string, n int) (told []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), appenderDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	b := make([]byte, 24)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
		told = append(told, string(b))
		if len(told) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(told) < n {
		t.Fatalf("the appender ended by itself after %d appends, want %d", len(told), n)
	}
	return told
}

func wantAllOnce(t *testing.T, dir string, told map[string]bool) {
	t.Helper()
	s := open(t, killedConfig(dir))
	seen := map[string]int{}
	for _, p := range contents(t, s) {
		f := func(at int) uint64 { return binary.LittleEndian.Uint64([]byte(p[at:])) }
		if want := payloadOf(f(0), f(8), f(16)); p != string(want) {
			t.Fatalf("read %q, want %q", p, want)
		}
		seen[p[:24]]++
	}
	for p := range told {
		if seen[p] != 1 {
			t.Fatalf("append %x was read %d times, want once", p, seen[p])
		}
	}
	// Each goroutine of each life may have had one append that it could not tell of, or whose word was cut.
	if surplus := len(seen) - len(told); surplus > 4*5+len(told)/100 {
		t.Fatalf("got %d appends nobody was told of", surplus)
	}
	if r := s.Recovery(); r.Quarantined != 0 {
		t.Fatalf("recovery: got %+v, want nothing quarantined", r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
