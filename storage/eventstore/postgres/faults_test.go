package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest/postgrestest"
)

// opened opens a store that is closed with the test.
func opened(t testing.TB, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	s := openAt(t, url, o)
	t.Cleanup(func() { s.Close() })
	return s
}

func wantUnavailable(t testing.TB, doing string, err error) {
	t.Helper()
	problem, ok := errors.AsType[*shortener.Problem](err)
	if !ok || problem.Kind != shortener.Unavailable || problem.RetryAfter <= 0 {
		t.Errorf("%s: got %v, want Unavailable with a time to come back", doing, err)
	}
}

func wantSound(t testing.TB, s *postgres.Store, events int64) {
	t.Helper()
	report, err := s.Verify(context.Background(), nil)
	if err != nil || !report.OK() || report.Events != events {
		t.Errorf("verify: got %+v, %v; want %d events without a fault", report, err, events)
	}
}

// eventually calls fn until it returns nil, and fails if that takes absurdly long.
func eventually(t testing.TB, fn func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("still: %v", err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestATransactionThatIsLostIsSettled(t *testing.T) {
	for name, loses := range map[string]loss{"after the server committed": theAnswer, "before the server committed": theRequest} {
		t.Run(name, func(t *testing.T) {
			proxy, url := throughProxy(t, postgrestest.Shared(t).Schema(t))
			s := opened(t, url, postgres.Options{Timeout: time.Minute})
			mustAppend(t, s, creation(1))
			proxy.lose(loses, false)
			c := creation(2)
			link, replayed, err := s.Append(t.Context(), c)
			if err != nil || replayed || link.ID != "2" || c.Events[0].Position != 2 {
				t.Errorf("append: got %+v, replayed %v, position %d, %v; want it appended at 2", link, replayed, c.Events[0].Position, err)
			}
			if proxy.lost() != 1 {
				t.Fatalf("connections lost: %d, want 1", proxy.lost())
			}
			wantSound(t, s, 2)
		})
	}
}

func TestATransactionOfWhichNothingIsKnownIsNoSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		loses loss
		done  bool
	}{"it was done": {theAnswer, true}, "it was not done": {theRequest, false}} {
		t.Run(name, func(t *testing.T) {
			proxy, url := throughProxy(t, postgrestest.Shared(t).Schema(t))
			s := opened(t, url, postgres.Options{Timeout: time.Second})
			mustAppend(t, s, creation(1))
			proxy.lose(tc.loses, true)
			_, _, err := s.Append(t.Context(), creation(2))
			wantUnavailable(t, "append", err)
			if !strings.Contains(fmt.Sprint(err), "not known") {
				t.Errorf("append: got %q, want it said that the outcome is not known", err)
			}
			proxy.lose(nothing, false)
			var replayed bool
			eventually(t, func() (err error) {
				_, replayed, err = s.Append(t.Context(), creation(2))
				return err
			})
			if replayed != tc.done {
				t.Errorf("the same append again: replayed %v, want %v", replayed, tc.done)
			}
			wantSound(t, s, 2)
		})
	}
}

func mustAppend(t testing.TB, s *postgres.Store, c shortener.Commit) {
	t.Helper()
	if _, _, err := s.Append(t.Context(), c); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func TestACallerWhoCannotWaitIsToldNoSuccess(t *testing.T) {
	at := postgrestest.Shared(t).Schema(t)
	s := opened(t, at, postgres.Options{})
	release := holdHead(t, at)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := s.Append(ctx, creation(1))
	wantUnavailable(t, "append", err)
	release()
	eventually(t, func() error { _, err := s.Link(t.Context(), creation(1).Ref); return err })
	if _, replayed, err := s.Append(t.Context(), creation(1)); err != nil || !replayed {
		t.Errorf("the same append again: replayed %v, %v; want replayed", replayed, err)
	}
}

// holdHead keeps others from appending until the function is called.
func holdHead(t *testing.T, at string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.PgConn().Exec(t.Context(), `BEGIN; SELECT * FROM head FOR UPDATE`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return func() { conn.Close(context.Background()) }
}

func TestAppendsThatOthersHoldUp(t *testing.T) {
	at := postgrestest.Shared(t).Schema(t)
	s := opened(t, at, postgres.Options{Timeout: 200 * time.Millisecond})
	mustAppend(t, s, creation(1))
	release := holdHead(t, at)
	_, _, err := s.Append(t.Context(), creation(2))
	wantUnavailable(t, "append", err)
	if _, err := s.Link(t.Context(), creation(1).Ref); err != nil {
		t.Errorf("read meanwhile: %v", err)
	}
	release()
	mustAppend(t, s, creation(3))
	wantSound(t, s, 2)
}

func TestOneCommitThatCannotBeWrittenHurtsNoOther(t *testing.T) {
	at := postgrestest.Shared(t).Schema(t)
	var mu sync.Mutex
	biggest := 0
	s := opened(t, at, postgres.Options{Timeout: time.Minute, Observe: func(n int, _ time.Duration, _ error) {
		mu.Lock()
		defer mu.Unlock()
		biggest = max(biggest, n)
	}})
	release := holdHead(t, at) // so that the others make one group
	const n = 8
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		c := creation(int64(i))
		if i == 3 {
			c.Events[0].Actor, c.After.CreatedBy = "zero\x00byte", "zero\x00byte"
		}
		wg.Go(func() { _, _, errs[i] = s.Append(t.Context(), c) })
		if i == 0 {
			time.Sleep(50 * time.Millisecond) // the first has the writer's attention
		}
	}
	time.Sleep(100 * time.Millisecond)
	release()
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 3) || shortener.KindOf(err) == shortener.Unavailable && i == 3 {
			t.Errorf("append %d: %v", i, err)
		}
	}
	if biggest < 2 {
		t.Error("no two appends shared a transaction: nothing was tried")
	}
	wantSound(t, s, n-1)
}

func TestAReadOnlyDatabase(t *testing.T) {
	server := postgrestest.Start(t)
	s := opened(t, server.Schema(t), postgres.Options{})
	mustAppend(t, s, creation(1))
	server.Exec(t, server.URL(), `ALTER SYSTEM SET default_transaction_read_only = on`)
	server.Exec(t, server.URL(), `SELECT pg_reload_conf()`)
	eventually(t, func() error {
		if _, _, err := s.Append(t.Context(), creation(2)); err == nil {
			return errors.New("not read-only yet")
		} else {
			wantUnavailable(t, "append", err)
			return nil
		}
	})
	wantUnavailable(t, "set a checkpoint", s.SetCheckpoint(t.Context(), "x", 1))
	if _, err := s.Link(t.Context(), creation(1).Ref); err != nil {
		t.Errorf("read: %v", err)
	}
	server.Exec(t, server.URL()+"&default_transaction_read_only=off", `ALTER SYSTEM SET default_transaction_read_only = off`)
	server.Exec(t, server.URL(), `SELECT pg_reload_conf()`)
	eventually(t, func() error { _, _, err := s.Append(t.Context(), creation(3)); return err })
}

func TestAServerThatComesBackAsAReplicaAndIsPromoted(t *testing.T) {
	server := postgrestest.Start(t)
	at := server.Schema(t)
	s := opened(t, at, postgres.Options{Timeout: 2 * time.Second})
	mustAppend(t, s, creation(1))
	server.Stop()
	_, _, err := s.Append(t.Context(), creation(2))
	wantUnavailable(t, "append while it is down", err)
	_, err = s.Link(t.Context(), creation(1).Ref)
	wantUnavailable(t, "read while it is down", err)

	server.Demote(t)
	server.Resume(t)
	_, _, err = s.Append(t.Context(), creation(3))
	wantUnavailable(t, "append to a replica", err)
	_, err = s.Link(t.Context(), creation(1).Ref)
	wantUnavailable(t, "read from a replica, which may be behind", err)
	_, err = postgres.Open(t.Context(), at, postgres.Options{Logger: quiet})
	wantUnavailable(t, "open a replica", err)

	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 1) }()
	server.Promote(t)
	eventually(t, func() error { _, _, err := s.Append(t.Context(), creation(4)); return err })
	if err := <-waited; err != nil {
		t.Errorf("wait over the failover: %v", err)
	}
	if _, err := s.Link(t.Context(), creation(1).Ref); err != nil {
		t.Errorf("read afterwards: %v", err)
	}
}

func TestWaitWithoutBeingTold(t *testing.T) {
	server := postgrestest.Shared(t)
	at := server.Schema(t)
	s := opened(t, at, postgres.Options{})
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 0) }()
	server.Exec(t, at, `UPDATE head SET position = 1`) // and no NOTIFY
	if err := <-waited; err != nil {
		t.Errorf("wait: %v", err)
	}
}

func TestReadsThatTakeTooLong(t *testing.T) {
	at := postgrestest.Shared(t).Schema(t)
	s := opened(t, at, postgres.Options{Timeout: 200 * time.Millisecond})
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(t.Context(), `BEGIN; LOCK TABLE links IN ACCESS EXCLUSIVE MODE`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Link(t.Context(), creation(1).Ref)
	wantUnavailable(t, "read", err)
	_, err = s.List(t.Context(), shortener.LinkQuery{Limit: 10})
	wantUnavailable(t, "list", err)
}

func TestVerifyFindsAHeadThatIsNotTheEnd(t *testing.T) {
	server := postgrestest.Shared(t)
	at := server.Schema(t)
	s := opened(t, at, postgres.Options{})
	mustAppend(t, s, creation(1))
	server.Exec(t, at, `UPDATE head SET position = 7`)
	report, err := s.Verify(t.Context(), nil)
	if err != nil || len(report.Faults) != 1 || !strings.Contains(report.Faults[0].String(), "the head is at 7, and the log ends at 1") {
		t.Errorf("verify: got %v, %v; want the head named", report.Faults, err)
	}
}
