package storetest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"snowlink/storage/eventstore"
)

// placeVariable tells the process that is going to be killed where its store is.
const placeVariable = "SNOWLINK_STORETEST_PLACE"

// survives has another process append from several goroutines and say each code once it was
// acknowledged, kills it, and looks for each. It does so twice to one store.
func survives(t *testing.T, logs EventLogs) {
	if place := os.Getenv(placeVariable); place != "" {
		appendUntilKilled(t, logs.Open(t, place, time.Now))
	}
	place := logs.Place(t)
	var said []string
	for life := range 2 {
		said = append(said, runAndKill(t, place, fmt.Sprintf("life%d", life), 300)...)
		log := logs.Open(t, place, time.Now)
		for _, code := range said {
			link, err := log.Link(t.Context(), ref(code))
			if err != nil || link.Target != targetOf(code) {
				t.Errorf("link %s, which was acknowledged: got %q, %v; want %q", code, link.Target, err, targetOf(code))
			}
		}
		wantSound(t, log)
		if err := log.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
}

func targetOf(code string) string { return "https://example.com/" + code }

// runAndKill runs this test in another process until it said enough codes, kills it, and returns all
// that it said.
func runAndKill(t *testing.T, place, life string, enough int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", exactly(t.Name()), "-test.count=1")
	cmd.Env = append(os.Environ(), placeVariable+"="+place, placeVariable+"_LIFE="+life)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the process to be killed: %v", err)
	}
	defer cmd.Wait() //nolint:errcheck // it is killed
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if code, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
			said = append(said, code)
		}
		if len(said) == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatalf("kill: %v", err)
			}
		}
	}
	if len(said) < enough {
		t.Fatalf("the process to be killed acknowledged %d links and ended, want %d at least", len(said), enough)
	}
	return said
}

// exactly returns a pattern for -test.run that matches one subtest.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

func appendUntilKilled(t *testing.T, log eventstore.Store) {
	life := os.Getenv(placeVariable + "_LIFE")
	sequence.Store(time.Now().UnixMicro()) // ids of another life's are not to be met
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				code := fmt.Sprintf("%s-%d-%d", life, w, i)
				if _, _, err := log.Append(t.Context(), creation(ref(code), to(targetOf(code)))); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				fmt.Println("acknowledged " + code)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
