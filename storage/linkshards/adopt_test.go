package linkshards_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// movingCode returns a code that moves between two shards in a membership.
func movingCode(t testing.TB, m linkshards.Membership, from, to string) string {
	t.Helper()
	for i := range 10_000 {
		code := "m" + strconv.Itoa(i)
		if now, before := m.Owner(shortener.Ref{Code: code}); now == to && before == from {
			return code
		}
	}
	t.Fatalf("no link moves from %s to %s", from, to)
	return ""
}

func adopt(t testing.TB, m linkshards.Membership, all ...*linkshards.Shards) {
	t.Helper()
	for _, s := range all {
		if err := s.Adopt(m); err != nil {
			t.Fatal(err)
		}
	}
}

func connections(t testing.TB, s *server) (open, made int) {
	t.Helper()
	client := s.client(t)
	defer client.Close()
	for line := range strings.Lines(client.Info(t.Context()).Val()) {
		fmt.Sscanf(line, "connected_clients:%d", &open)
		fmt.Sscanf(line, "total_connections_received:%d", &made)
	}
	return open, made
}

func TestMembersThatStayKeepTheirConnections(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	first := mustFirst(t, a.spec("a"), b.spec("b"))
	s := open(t, first, linkshards.Options{})
	if err := s.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before := connections(t, a)
	settled := settle(t, must(first.Remove("b")))
	adopt(t, settled, s)
	adopt(t, first, s) // older: nothing happens
	if s.Epoch() != settled.Epoch() || len(s.Status(t.Context())) != 1 {
		t.Fatalf("got epoch %d with %+v, want %v", s.Epoch(), s.Status(t.Context()), settled)
	}
	if _, after := connections(t, a); after != before+1 { // that of the test
		t.Errorf("shard a saw %d new connections, want only that of the test", after-before)
	}
	eventually(t, "the connections to b are closed", func() bool { open, _ := connections(t, b); return open == 1 })
	s.Close()
	eventually(t, "the connections to a are closed", func() bool { open, _ := connections(t, a); return open == 1 })
	if _, err := s.Get(t.Context(), shortener.Ref{Code: "x"}); shortener.KindOf(err) != shortener.Unavailable {
		t.Errorf("get after close: got %v, want Unavailable", err)
	}
	if err := s.Put(t.Context(), record("x", 1)); shortener.KindOf(err) != shortener.Unavailable {
		t.Errorf("put after close: got %v, want Unavailable", err)
	}
	if err := s.Adopt(must(settled.Add(b.spec("b")))); err == nil {
		t.Error("adopt after close: no error")
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 20s: %s", what)
		}
	}
}

// Calls go on while memberships come and go: none fails, and none sees a link go missing.
func TestCallsSurviveChangesOfTheMembership(t *testing.T) {
	servers := map[string]*server{"a": startRedis(t), "b": startRedis(t), "c": startRedis(t)}
	m := mustFirst(t, servers["a"].spec("a"), servers["b"].spec("b"))
	s := open(t, m, linkshards.Options{Breaker: patient, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second})
	var (
		wg     sync.WaitGroup
		stop   atomic.Bool
		failed atomic.Pointer[error]
	)
	fail := func(err error) { failed.CompareAndSwap(nil, &err) }
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				r := record(fmt.Sprintf("w%d-%d", worker, i%50), int64(1+i/50))
				if err := s.Put(t.Context(), r); err != nil {
					fail(fmt.Errorf("put: %w", err))
				}
				if _, err := s.Get(t.Context(), r.Ref); err != nil && !errors.Is(err, linkshards.ErrMiss) && !errors.Is(err, linkshards.ErrUnverified) {
					fail(fmt.Errorf("get: %w", err))
				}
			}
		})
	}
	for range 10 {
		m = must(m.Add(servers["c"].spec("c")))
		for adopt(t, m, s); m.Phase() != linkshards.Settled; adopt(t, m, s) {
			m = must(m.Next())
		}
		m = must(m.Remove("c"))
		for adopt(t, m, s); m.Phase() != linkshards.Settled; adopt(t, m, s) {
			m = must(m.Next())
			time.Sleep(time.Millisecond)
		}
	}
	stop.Store(true)
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Error(*err)
	}
}

func TestReadsOfALinkThatMoves(t *testing.T) {
	servers := map[string]*server{"a": startRedis(t), "b": startRedis(t)}
	first := mustFirst(t, servers["a"].spec("a"))
	copying := must(first.Add(servers["b"].spec("b")))
	code := movingCode(t, copying, "a", "b")
	ref := shortener.Ref{Code: code}
	const none, down = 0, -1
	for name, tc := range map[string]struct {
		now, before int64 // versions in the new shard and in the old one
		clearing    bool
		want        int64
		err         error // nil: Unavailable if want is 0
	}{
		"neither has it":                  {now: none, before: none, err: linkshards.ErrMiss},
		"not copied yet":                  {now: none, before: 2, want: 2},
		"copied":                          {now: 2, before: 2, want: 2},
		"the old one missed a write":      {now: 3, before: 2, want: 3},
		"the new one has a leftover":      {now: 1, before: 2, want: 2},
		"the old one is down, a miss":     {now: none, before: down, err: linkshards.ErrMiss},
		"the old one is down, a hit":      {now: 2, before: down, want: 2, err: linkshards.ErrUnverified},
		"the new one is down, a miss":     {now: down, before: none, err: linkshards.ErrMiss},
		"the new one is down, a hit":      {now: down, before: 2, want: 2, err: linkshards.ErrUnverified},
		"both are down":                   {now: down, before: down},
		"clearing: the old one not asked": {now: none, before: 2, clearing: true, err: linkshards.ErrMiss},
		"clearing: the new one is down":   {now: down, before: 2, clearing: true},
		"clearing: the new one":           {now: 2, before: down, clearing: true, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			m := copying
			if tc.clearing {
				m = must(m.Next())
			}
			has := map[string]int64{"a": tc.before, "b": tc.now}
			specs := m.Members()
			for i, spec := range specs {
				client := servers[spec.Name].client(t)
				client.FlushAll(t.Context())
				verify(t, open(t, m, linkshards.Options{}), spec.Name)
				switch version := has[spec.Name]; version {
				case down:
					specs[i].URL = "redis://127.0.0.1:1"
				case none:
				default:
					mustSet(t, client, "l:"+code, string(shortener.AppendRecord(nil, record(code, version))))
				}
			}
			s := open(t, m.WithAddresses(specs), linkshards.Options{Breaker: patient})
			got, err := s.Get(t.Context(), ref)
			want := shortener.Record{}
			if tc.want > 0 {
				want = record(code, tc.want)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			switch {
			case tc.err == nil && tc.want == 0:
				if shortener.KindOf(err) != shortener.Unavailable {
					t.Errorf("got %v, want Unavailable", err)
				}
			case !errors.Is(err, tc.err):
				t.Errorf("got the error %v, want %v", err, tc.err)
			}
		})
	}
}

func TestWritesOfALinkThatMoves(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	first := mustFirst(t, a.spec("a"))
	copying := must(first.Add(b.spec("b")))
	clearing := must(copying.Next())
	code := movingCode(t, copying, "a", "b")
	versions := func(s *linkshards.Shards) (on [2]int64) {
		e := s.Explain(t.Context(), shortener.Ref{Code: code})
		if e.Owner != "b" || e.Before != "a" || e.Key != "l:"+code {
			t.Errorf("explain: got %+v, want an owner b, before it a", e)
		}
		return [2]int64{e.Found[0].Version, e.Found[1].Version}
	}
	s := open(t, copying, linkshards.Options{Breaker: patient})
	for _, version := range []int64{1, 2} {
		mustPut(t, s, record(code, version))
		if got := versions(s); got != [2]int64{version, version} {
			t.Errorf("copying: got versions %v, want %d on both", got, version)
		}
	}
	adopt(t, clearing, s)
	mustPut(t, s, record(code, 3))
	if got := versions(s); got != [2]int64{0, 3} {
		t.Errorf("clearing: got versions %v, want none and 3", got)
	}
	// The old owner is dead, and removed for that.
	a.kill()
	b.client(t).Del(t.Context(), "snowlink:epoch")
	for _, m := range []linkshards.Membership{copying, clearing} {
		mustPut(t, open(t, m, linkshards.Options{Breaker: patient}), record(code, 4))
	}
}

// A process that has not heard of a move is refused by the shards that have, whatever it writes.
func TestAWriterOfAnOlderEpochIsRefused(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	first := mustFirst(t, a.spec("a"))
	copying := must(first.Add(b.spec("b")))
	clearing := must(copying.Next())
	code := movingCode(t, copying, "a", "b")
	var told atomic.Int64
	late := open(t, first, linkshards.Options{OnStale: func() { told.Add(1) }})
	mustPut(t, late, record("before", 1))
	now := open(t, clearing, linkshards.Options{})
	if err := now.Fence(t.Context(), clearing.Epoch()); err != nil {
		t.Fatal(err)
	}
	if err := now.Fence(t.Context(), 1); err != nil { // goes up only
		t.Fatal(err)
	}
	raw := a.client(t)
	for _, version := range []int64{1, 2} {
		if err := late.Put(t.Context(), record(code, version)); !errors.Is(err, linkshards.ErrStaleEpoch) {
			t.Errorf("put of version %d: got %v, want ErrStaleEpoch", version, err)
		}
		if n := raw.Exists(t.Context(), "l:"+code).Val(); n != 0 {
			t.Errorf("what was refused (version %d) is there", version)
		}
	}
	if err := late.Put(t.Context(), record("before", 1)); !errors.Is(err, linkshards.ErrStaleEpoch) {
		t.Errorf("put of what is there: got %v, want ErrStaleEpoch", err)
	}
	if n := raw.Exists(t.Context(), "l:before").Val(); n != 1 {
		t.Error("what was there was taken back with what was refused")
	}
	if told.Load() != 3 {
		t.Errorf("OnStale was told %d times, want 3", told.Load())
	}
	err := late.OnInstance(t.Context(), "a", func(ctx context.Context, in *linkshards.Instance) error {
		if _, err := in.Put(ctx, 1, []shortener.Record{record(code, 5)}); !errors.Is(err, linkshards.ErrStaleEpoch) {
			t.Errorf("batch: got %v, want ErrStaleEpoch", err)
		}
		_, err := in.Erase(ctx, 1, []shortener.Ref{{Code: "before"}})
		return err
	})
	if !errors.Is(err, linkshards.ErrStaleEpoch) {
		t.Errorf("erase: got %v, want ErrStaleEpoch", err)
	}
	// It learns of the epoch within the call, and the write is done in that.
	var self *linkshards.Shards
	self = open(t, first, linkshards.Options{OnStale: func() { self.Adopt(clearing) }})
	mustPut(t, self, record(code, 6))
	if v := now.Explain(t.Context(), shortener.Ref{Code: code}).Found[1].Version; v != 6 {
		t.Errorf("the write of who has learned of the epoch: got version %d on the new shard, want 6", v)
	}
}

func TestSubscriptionsFollowTheMembership(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	first := mustFirst(t, a.spec("a"))
	s, writer := open(t, first, linkshards.Options{}), open(t, first, linkshards.Options{})
	l := listen(t, s)
	defer l.stop()
	receive(t, l.reconnects, "the subscription to a")
	copying := must(first.Add(b.spec("b")))
	adopt(t, copying, s, writer)
	receive(t, l.reconnects, "the subscription to b")
	if err := writer.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	receive(t, l.members, "the announcement on the one")
	receive(t, l.members, "the announcement on the other")
	settled := settle(t, copying)
	adopt(t, settled, writer, s)
	code := movingCode(t, copying, "a", "b")
	mustPut(t, writer, record(code, 2))
	if got := receive(t, l.changes, "the change"); got.version != 2 {
		t.Errorf("heard %v, want version 2", got)
	}
	adopt(t, settle(t, must(settled.Remove("a"))), s)
	eventually(t, "the subscription to a has ended", func() bool {
		client := a.client(t)
		defer client.Close()
		return client.PubSubNumSub(t.Context(), "links.changed").Val()["links.changed"] == 0
	})
}
