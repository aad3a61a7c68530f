package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest/postgrestest"
)

// TestCrashesUnderLoad crashes the server under 8 writers in two processes' stores, who repeat what was
// not acknowledged under the same event ids. Each link must be there once, and none more.
func TestCrashesUnderLoad(t *testing.T) {
	const crashes, between = 3, 300
	server := postgrestest.Start(t)
	at := server.Schema(t)
	stores := []*postgres.Store{opened(t, at, postgres.Options{Timeout: 2 * time.Second}), opened(t, at, postgres.Options{Timeout: 2 * time.Second})}
	var (
		wg           sync.WaitGroup
		next, done   atomic.Int64
		repeated     atomic.Int64
		acknowledged sync.Map
	)
	ctx, cancel := context.WithCancel(t.Context())
	for w := range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c := creation(next.Add(1))
				eventually(t, func() error {
					link, _, err := stores[w%2].Append(context.Background(), c)
					if err != nil {
						repeated.Add(1)
						return err
					}
					acknowledged.Store(link.Ref, link.Target)
					return nil
				})
				done.Add(1)
			}
		})
	}
	for n := range int64(crashes) {
		for done.Load() < (n+1)*between && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		server.Crash()
		server.Resume(t)
	}
	for done.Load() < (crashes+1)*between && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	t.Logf("%d links through %d crashes; %d appends were refused and repeated", done.Load(), crashes, repeated.Load())
	count := int64(0)
	acknowledged.Range(func(ref, target any) bool {
		count++
		if link, err := stores[0].Link(context.Background(), ref.(shortener.Ref)); err != nil || link.Target != target {
			t.Errorf("link %s, which was acknowledged: %q, %v; want %q", ref, link.Target, err, target)
		}
		return true
	})
	wantSound(t, stores[1], count)
}

// childVariable tells a process that is to be paused where its store is.
const childVariable = "SNOWLINK_POSTGRES_CHILD"

// TestAPausedProcessHoldsUpNobody pauses a process in the middle of its appends, as a laptop's lid or a
// hypervisor does.
func TestAPausedProcessHoldsUpNobody(t *testing.T) {
	if at := os.Getenv(childVariable); at != "" {
		appendForever(t, at)
	}
	at := postgrestest.Shared(t).Schema(t)
	s := opened(t, at, postgres.Options{Timeout: 500 * time.Millisecond})
	child := exec.Command(os.Args[0], "-test.run", "^TestAPausedProcessHoldsUpNobody$", "-test.count=1")
	child.Env = append(os.Environ(), childVariable+"="+at)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	lines := bufio.NewScanner(out)
	appended := func() bool {
		for lines.Scan() {
			if lines.Text() == "appended" {
				return true
			}
		}
		return false
	}
	for n := range int64(5) {
		if !appended() {
			t.Fatal("the process to be paused ended")
		}
		child.Process.Signal(syscall.SIGSTOP)
		eventually(t, func() error { _, _, err := s.Append(t.Context(), creation(1_000_000+n)); return err })
		child.Process.Signal(syscall.SIGCONT)
	}
	if !appended() {
		t.Error("the process that was paused does not append any more")
	}
}

func appendForever(t *testing.T, at string) {
	s := opened(t, at, postgres.Options{Timeout: 500 * time.Millisecond})
	for n := int64(1); ; n++ {
		eventually(t, func() error { _, _, err := s.Append(t.Context(), creation(n)); return err })
		fmt.Println("appended")
	}
}
