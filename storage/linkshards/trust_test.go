package linkshards_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

func (s *server) spec(name string) linkshards.MemberSpec {
	return linkshards.MemberSpec{Name: name, URL: "redis://127.0.0.1:" + strconv.Itoa(s.port)}
}

func (s *server) client(t testing.TB) *redis.Client { return s.shard(t, "raw").Client }

func open(t testing.TB, m linkshards.Membership, o linkshards.Options) *linkshards.Shards {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	s, err := linkshards.Open(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func verify(t testing.TB, s *linkshards.Shards, names ...string) {
	t.Helper()
	for _, name := range names {
		err := s.OnInstance(t.Context(), name, func(ctx context.Context, in *linkshards.Instance) error { return in.MarkVerified(ctx) })
		if err != nil {
			t.Fatalf("mark %s: %v", name, err)
		}
	}
}

func wantUnverified(t testing.TB, s *linkshards.Shards, want shortener.Record) {
	t.Helper()
	if got, err := s.Get(t.Context(), want.Ref); !errors.Is(err, linkshards.ErrUnverified) || got != want {
		t.Errorf("get %s: got %+v, %v; want the record, unverified", want.Ref, got, err)
	}
}

func TestARunIsTrustedOnceItIsMarked(t *testing.T) {
	server := startRedis(t)
	m := mustFirst(t, server.spec("a"))
	s, other, late := open(t, m, linkshards.Options{}), open(t, m, linkshards.Options{}), open(t, m, linkshards.Options{})
	mustPut(t, s, record("x", 1))
	wantUnverified(t, s, record("x", 1))
	wantUnverified(t, other, record("x", 1))
	verify(t, s, "a")
	wantRecord(t, s, record("x", 1))
	wantRecord(t, late, record("x", 1)) // connects only now
	other.Recheck(t.Context())
	wantRecord(t, other, record("x", 1))
	server.client(t).Del(t.Context(), "snowlink:verified")
	s.Recheck(t.Context())
	wantUnverified(t, s, record("x", 1))
}

func TestAMarkCountsForOneMembershipOfTheShard(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	first := mustFirst(t, a.spec("a"), b.spec("b"))
	verify(t, open(t, first, linkshards.Options{}), "a", "b")
	gone := settle(t, must(first.Remove("b")))
	back := settle(t, must(gone.Add(b.spec("b"))))
	s := open(t, back, linkshards.Options{})
	for i := range 20 {
		r := record("c"+strconv.Itoa(i), 2)
		mustPut(t, s, r)
		if s.Owner(r.Ref) == "b" {
			wantUnverified(t, s, r)
		} else {
			wantRecord(t, s, r)
		}
	}
}

func must(m linkshards.Membership, err error) linkshards.Membership {
	if err != nil {
		panic(err)
	}
	return m
}

func settle(t testing.TB, m linkshards.Membership) linkshards.Membership {
	t.Helper()
	for m.Phase() != linkshards.Settled {
		m = must(m.Next())
	}
	return m
}

// A server that restarts from an old dump holds what was edited since. While readers hammer it, none of
// them may take the old version for a good one.
func TestAServerThatRestartsFromAnOldDumpIsNotTrusted(t *testing.T) {
	server := startRedis(t)
	server.kill()
	dir := t.TempDir()
	server.start(t, "--dir", dir)
	s := open(t, mustFirst(t, server.spec("a")), linkshards.Options{Breaker: patient, WriteTimeout: 5 * time.Second})
	old, edited := record("x", 1), record("x", 2)
	mustPut(t, s, old)
	verify(t, s, "a")
	if err := server.client(t).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, edited)
	wantRecord(t, s, edited)

	var (
		readers               sync.WaitGroup
		stop                  atomic.Bool
		wrong, unsure, served atomic.Int64
	)
	for range 8 {
		readers.Go(func() {
			for !stop.Load() {
				switch got, err := s.Get(t.Context(), old.Ref); {
				case errors.Is(err, linkshards.ErrUnverified):
					unsure.Add(1)
				case err == nil && got.Version < 2:
					wrong.Add(1)
				case err == nil:
					served.Add(1)
				}
			}
		})
	}
	server.kill()
	server.start(t, "--dir", dir)
	for deadline := time.Now().Add(20 * time.Second); unsure.Load() < 1000 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	readers.Wait()
	if wrong.Load() > 0 || unsure.Load() == 0 {
		t.Errorf("after the restart %d reads were trusted and wrong, %d unverified; want none, and some", wrong.Load(), unsure.Load())
	}
	wantUnverified(t, s, old)
	mustPut(t, s, edited)
	verify(t, s, "a")
	wantRecord(t, s, edited)
}

func TestAUserThatMayNotAskForTheRunIsWarnedOf(t *testing.T) {
	server := startRedis(t)
	if err := server.client(t).Do(t.Context(), "ACL", "SETUSER", "edge", "on", ">pw", "~*", "&*", "+@all", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	spec := linkshards.MemberSpec{Name: "a", URL: "redis://edge:pw@127.0.0.1:" + strconv.Itoa(server.port)}
	var said safeBuffer
	s := open(t, mustFirst(t, spec), linkshards.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	mustPut(t, s, record("x", 1))
	wantUnverified(t, s, record("x", 1))
	err := s.OnInstance(t.Context(), "a", func(ctx context.Context, in *linkshards.Instance) error { return in.MarkVerified(ctx) })
	if err == nil || !strings.Contains(err.Error(), "+info") || !strings.Contains(said.String(), "+info") {
		t.Errorf("mark: got %v, and the log says %q; want both to name the right that is lacking", err, said.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func TestAnInstanceThatHangsIsGivenUp(t *testing.T) {
	server := startRedis(t)
	s := open(t, mustFirst(t, server.spec("a")), linkshards.Options{Breaker: patient, ReadTimeout: 5 * time.Second})
	mustPut(t, s, record("x", 1))
	verify(t, s, "a")
	entered := make(chan struct{})
	ended := make(chan error, 1)
	go s.OnInstance(t.Context(), "a", func(ctx context.Context, in *linkshards.Instance) error {
		close(entered)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	})
	receive(t, entered, "the instance")
	server.cmd.Process.Signal(syscall.SIGSTOP)
	s.Recheck(t.Context())
	server.cmd.Process.Signal(syscall.SIGCONT)
	if err := receive(t, ended, "the end of the instance"); err == nil {
		t.Error("the work on the instance that was given up ended without a cause")
	}
	wantRecord(t, s, record("x", 1)) // a new connection has found the mark
}

func TestAnEmptiedShardLearnsTheEpochAgain(t *testing.T) {
	server := startRedis(t)
	m := settle(t, must(mustFirst(t, server.spec("a")).Add(linkshards.MemberSpec{Name: "b", URL: "redis://127.0.0.1:1"})))
	s := open(t, m, linkshards.Options{Installation: "mine"})
	raw := server.client(t)
	for _, empty := range []func(){func() {}, func() { raw.FlushAll(t.Context()) }} {
		empty()
		s.Recheck(t.Context())
		epoch, mark := raw.Get(t.Context(), "snowlink:epoch").Val(), raw.Get(t.Context(), "snowlink:installation").Val()
		if epoch != "4" || mark != "mine" {
			t.Errorf("got epoch %q and mark %q, want 4 and mine", epoch, mark)
		}
	}
}

func TestAShardOfAnotherInstallationIsNotUsed(t *testing.T) {
	server := startRedis(t)
	m := mustFirst(t, server.spec("a"))
	mine, theirs := open(t, m, linkshards.Options{Installation: "mine"}), open(t, m, linkshards.Options{Installation: "theirs", Breaker: patient})
	if err := mine.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, mine, record("x", 1))
	err := theirs.Claim(t.Context())
	named, ok := errors.AsType[*linkshards.ShardError](err)
	if !errors.Is(err, linkshards.ErrForeign) || !ok || named.Shard != "a" {
		t.Errorf("claim: got %v, want ErrForeign of shard a", err)
	}
	if _, err := theirs.Get(t.Context(), shortener.Ref{Code: "x"}); !errors.Is(err, linkshards.ErrForeign) {
		t.Errorf("get: got %v, want ErrForeign", err)
	}
	if err := theirs.Put(t.Context(), record("x", 2)); !errors.Is(err, linkshards.ErrForeign) {
		t.Errorf("put: got %v, want ErrForeign", err)
	}
	// It is taken over while it is in use.
	server.client(t).Set(t.Context(), "snowlink:installation", "theirs", 0)
	mine.Recheck(t.Context())
	if err := mine.Claim(t.Context()); !errors.Is(err, linkshards.ErrForeign) {
		t.Errorf("claim of what was taken over: got %v, want ErrForeign", err)
	}
	if err := theirs.Claim(t.Context()); err != nil {
		t.Errorf("claim of what is theirs: %v", err)
	}
}

// A process that cannot get the newer membership reads on for a while, and then trusts nothing.
func TestWhoIsLateForLongTrustsNothing(t *testing.T) {
	server := startRedis(t)
	m := mustFirst(t, server.spec("a"))
	var stale atomic.Int64
	hasty := open(t, m, linkshards.Options{LateFor: time.Nanosecond, OnStale: func() { stale.Add(1) }})
	calm := open(t, m, linkshards.Options{LateFor: time.Hour})
	verify(t, hasty, "a")
	mustPut(t, hasty, record("x", 1))
	both := func() { hasty.Recheck(t.Context()); calm.Recheck(t.Context()) }
	both()
	wantRecord(t, hasty, record("x", 1))
	if err := calm.Fence(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	both()
	wantUnverified(t, hasty, record("x", 1))
	wantRecord(t, calm, record("x", 1))
	if stale.Load() == 0 {
		t.Error("OnStale was not told")
	}
	adopt(t, must(m.Add(linkshards.MemberSpec{Name: "b", URL: "redis://127.0.0.1:1"})), hasty)
	both()
	code := record(stays(t, hasty.Membership(), "a"), 1)
	mustPut(t, hasty, code)
	wantRecord(t, hasty, code)
}

// stays returns a code that a shard owns, and has owned before.
func stays(t testing.TB, m linkshards.Membership, owner string) string {
	t.Helper()
	for i := range 10_000 {
		code := "s" + strconv.Itoa(i)
		if now, before := m.Owner(shortener.Ref{Code: code}); now == owner && before == "" {
			return code
		}
	}
	t.Fatalf("no link stays on %s", owner)
	return ""
}
