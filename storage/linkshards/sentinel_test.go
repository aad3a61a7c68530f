package linkshards_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"snowlink/storage/linkshards"
)

// startSentinel starts a Sentinel that watches a primary under the name "main", alone.
func startSentinel(t testing.TB, primary int) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n", s.port, filepath.Dir(conf), primary)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command("redis-sentinel", conf)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-sentinel: %v", err)
	}
	t.Cleanup(func() { s.kill() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "+monitor") {
			return s
		}
	}
	t.Fatal("redis-sentinel ended before it was ready")
	return nil
}

// startReplicated starts a primary with a replica that has caught up, and a Sentinel that knows both.
func startReplicated(t testing.TB) (primary, replica *server, spec linkshards.MemberSpec) {
	t.Helper()
	primary = startRedisWith(t, "--repl-diskless-sync-delay", "0")
	replica = startRedisWith(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(primary.port))
	client := replica.client(t)
	eventually(t, "the replica is in step", func() bool {
		return strings.Contains(client.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	sentinel := startSentinel(t, primary.port)
	control := sentinel.client(t)
	eventually(t, "the Sentinel knows the replica", func() bool {
		return strings.Contains(control.Info(t.Context(), "sentinel").Val(), "slaves=1")
	})
	return primary, replica, linkshards.MemberSpec{Name: "a", URL: "redis+sentinel://127.0.0.1:" + strconv.Itoa(sentinel.port) + "/main"}
}

// A replica takes over that lacks the last write. It is not trusted until it was compared, and the old
// primary, which comes back as it was, is not trusted ever.
func TestAFailoverIsNotTrusted(t *testing.T) {
	for name, fault := range map[string]syscall.Signal{"the primary is killed": syscall.SIGKILL, "the primary is paused": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with each other: they wait, mostly
			primary, replica, spec := startReplicated(t)
			m := mustFirst(t, spec)
			patiently := linkshards.Options{Breaker: patient, WriteTimeout: 2 * time.Second}
			edge, api := open(t, m, patiently), open(t, m, patiently)
			var running sync.WaitGroup
			ctx, end := context.WithCancel(t.Context())
			defer running.Wait()
			defer end()
			for _, s := range []*linkshards.Shards{edge, api} {
				running.Go(func() { s.Run(ctx) })
			}
			verify(t, api, "a")
			mustPut(t, api, record("x", 1))
			edge.Recheck(t.Context())
			wantRecord(t, edge, record("x", 1))
			eventually(t, "the replica has the first version", func() bool { return replica.client(t).Exists(t.Context(), "l:x").Val() == 1 })
			// The last write does not get there.
			replica.cmd.Process.Signal(syscall.SIGSTOP)
			if err := primary.client(t).Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err(); err != nil {
				t.Fatal(err)
			}
			mustPut(t, api, record("x", 2))
			primary.cmd.Process.Signal(fault)
			replica.cmd.Process.Signal(syscall.SIGCONT)

			var newest, wrong atomic.Int64
			newest.Store(2)
			var readers sync.WaitGroup
			var stop atomic.Bool
			for range 4 {
				readers.Go(func() {
					for !stop.Load() {
						least := newest.Load()
						if got, err := edge.Get(t.Context(), record("x", 1).Ref); err == nil && got.Version < least {
							wrong.Add(1)
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			eventually(t, "the replica is the primary", func() bool {
				got, err := edge.Get(t.Context(), record("x", 1).Ref)
				return got.Version == 1 && errors.Is(err, linkshards.ErrUnverified)
			})
			eventually(t, "an edit is taken", func() bool { return api.Put(t.Context(), record("x", 3)) == nil })
			newest.Store(3)
			verify(t, api, "a")
			if fault == syscall.SIGSTOP {
				primary.cmd.Process.Signal(syscall.SIGCONT)
			}
			eventually(t, "the new primary is trusted", func() bool {
				got, err := edge.Get(t.Context(), record("x", 1).Ref)
				return err == nil && got.Version == 3
			})
			time.Sleep(300 * time.Millisecond) // the old primary is back, if it is
			stop.Store(true)
			readers.Wait()
			if wrong.Load() > 0 {
				t.Errorf("%d reads were trusted and out of date", wrong.Load())
			}
		})
	}
}
