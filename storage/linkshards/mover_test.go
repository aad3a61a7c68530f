package linkshards_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
	"snowlink/storage/eventstore/sqlite"
	"snowlink/storage/linkshards"
)

// kept keeps memberships in an event store.
type kept struct{ log *sqlite.Store }

func (k kept) Newest(ctx context.Context) (m linkshards.Membership, err error) {
	_, body, err := k.log.Membership(ctx)
	if err != nil || body == nil {
		return m, err
	}
	return m, m.UnmarshalJSON(body)
}

func (k kept) Keep(ctx context.Context, m linkshards.Membership) error {
	body, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	return k.log.PutMembership(ctx, m.Epoch(), body)
}

// fleet is an event store with shards on real servers, and processes that use them.
type fleet struct {
	t       *testing.T
	log     *sqlite.Store
	servers map[string]*server
}

func newFleet(t *testing.T, names ...string) *fleet {
	f := &fleet{t: t, log: openLog(t), servers: map[string]*server{}}
	var specs []linkshards.MemberSpec
	for _, name := range names {
		specs = append(specs, f.serve(name))
	}
	first, err := linkshards.First(specs)
	if err != nil {
		t.Fatal(err)
	}
	f.keep(first)
	return f
}

func (f *fleet) serve(name string) linkshards.MemberSpec {
	f.servers[name] = startRedis(f.t)
	return linkshards.MemberSpec{Name: name, URL: "redis://127.0.0.1:" + strconv.Itoa(f.servers[name].port)}
}

func (f *fleet) keep(m linkshards.Membership) {
	f.t.Helper()
	if err := (kept{f.log}).Keep(context.Background(), m); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) newest() linkshards.Membership {
	f.t.Helper()
	m, err := kept{f.log}.Newest(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

// join is a process: shards that follow the membership, if it is told to.
func (f *fleet) join(follow bool) *linkshards.Shards {
	f.t.Helper()
	stale := make(chan struct{}, 1)
	nudge := func() {
		select {
		case stale <- struct{}{}:
		default:
		}
	}
	s, err := linkshards.Open(f.newest(), linkshards.Options{Logger: quiet, Breaker: patient, ReadTimeout: time.Second, WriteTimeout: time.Second, OnStale: nudge})
	if err != nil {
		f.t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(f.t.Context())
	wg.Go(func() { s.Run(ctx) })
	if follow {
		wg.Go(func() { s.Subscribe(ctx, linkshards.Listener{Members: nudge}) })
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-stale:
				case <-time.After(100 * time.Millisecond):
				}
				if m, err := (kept{f.log}).Newest(ctx); err == nil {
					s.Adopt(m)
				}
			}
		})
	}
	f.t.Cleanup(func() { cancel(); wg.Wait(); s.Close() })
	return s
}

// mover returns one that stops as soon as its progress says so.
func (f *fleet) move(s *linkshards.Shards, abandon func(linkshards.Progress) bool) {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	m := linkshards.NewMover(linkshards.MoverConfig{
		Memberships: kept{f.log}, Links: f.log, Shards: s, Logger: quiet, Patience: time.Second,
		OnProgress: func(p linkshards.Progress) {
			if abandon != nil && abandon(p) {
				cancel()
			}
		},
	})
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	for {
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
			if abandon == nil && f.newest().Phase() == linkshards.Settled {
				cancel()
			}
		}
	}
}

func (f *fleet) verify(s *linkshards.Shards) {
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); linkshards.NewVerifier(s, f.log, 0, quiet).Run(ctx) }()
	f.t.Cleanup(func() { cancel(); <-done })
}

// untilVerified waits until every shard is.
func untilVerified(t *testing.T, s *linkshards.Shards) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		verified := true
		for _, status := range s.Status(t.Context()) {
			verified = verified && status.Verified
		}
		if verified {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not verified: %+v", s.Status(t.Context()))
		}
	}
}

// checker reads links again and again, and holds every record that is returned as trusted against the
// versions that were acknowledged before it was asked for.
type checker struct {
	mu    sync.Mutex
	least map[shortener.Ref]int64
	wrong atomic.Pointer[string]
	hits  atomic.Int64
}

func (c *checker) acknowledged(r shortener.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.least[r.Ref] = max(c.least[r.Ref], r.Version)
}

func (c *checker) ask(ctx context.Context, s *linkshards.Shards, ref shortener.Ref) {
	c.mu.Lock()
	least := c.least[ref]
	c.mu.Unlock()
	switch r, err := s.Get(ctx, ref); {
	case err != nil: // the truth would be asked
	case r.Ref != ref, r.Version < least:
		text := fmt.Sprintf("asked for %s after version %d was acknowledged, got %s version %d", ref, least, r.Ref, r.Version)
		c.wrong.CompareAndSwap(nil, &text)
	default:
		c.hits.Add(1)
	}
}

func (f *fleet) edit(ref shortener.Ref) shortener.Record { return appendLink(f.t, f.log, ref.Code) }

// traffic edits and reads links until stopped. An edit that a shard refused is left to nobody: it was
// not acknowledged.
func (f *fleet) traffic(links []shortener.Record, editors, readers []*linkshards.Shards) (c *checker, stop func()) {
	c = &checker{least: map[shortener.Ref]int64{}}
	for _, r := range links {
		c.acknowledged(r)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	var wg sync.WaitGroup
	for i, s := range editors {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n += len(editors) {
				next := f.edit(links[n%len(links)].Ref)
				if s.Put(ctx, next) == nil {
					c.acknowledged(next)
				}
				pause(ctx, time.Millisecond)
			}
		})
	}
	for i, s := range readers {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n += 7 {
				c.ask(ctx, s, links[n%len(links)].Ref)
			}
		})
	}
	return c, func() { cancel(); wg.Wait() }
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// fill makes links in the truth and in the shards.
func (f *fleet) fill(s *linkshards.Shards, n int) (links []shortener.Record) {
	f.t.Helper()
	for i := range n {
		r := appendLink(f.t, f.log, fmt.Sprintf("c%d", i))
		mustPut(f.t, s, r)
		links = append(links, r)
	}
	return links
}

// A shard is added and another one removed, by movers that are stopped in the middle of every step and
// started again, under edits and reads of processes that know of it, and of one that never hears of it.
// Nobody is told an older version than was acknowledged.
func TestLinksMoveUnderTraffic(t *testing.T) {
	f := newFleet(t, "a", "b", "c")
	first := f.join(true)
	f.verify(first)
	links := f.fill(first, 3000)
	untilVerified(t, first)
	laggard := f.join(false)
	check, stop := f.traffic(links, []*linkshards.Shards{first, f.join(true)}, []*linkshards.Shards{first, f.join(true), laggard})

	change := func(next linkshards.Membership, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		f.keep(next)
		for phase := range []linkshards.Phase{linkshards.Copying, linkshards.Clearing} { // once in each phase, at its second page
			f.move(first, func(p linkshards.Progress) bool {
				return p.Looked > 1024 || phase == 1 && p.Phase == linkshards.Clearing
			})
		}
		f.move(first, nil)
	}
	change(f.newest().Add(f.serve("d")))
	if got := f.newest(); got.Epoch() != 4 || got.Phase() != linkshards.Settled {
		t.Errorf("after the first move: %v, want epoch 4, settled", got)
	}
	change(f.newest().Remove("b"))
	stop()
	if wrong := check.wrong.Load(); wrong != nil {
		t.Error(*wrong)
	}
	if check.hits.Load() < 1000 {
		t.Errorf("only %d reads were hits", check.hits.Load())
	}
	f.checkPlaces(first, links)
}

// checkPlaces checks that every link is on its shard and on no other.
func (f *fleet) checkPlaces(s *linkshards.Shards, links []shortener.Record) {
	f.t.Helper()
	misplaced := 0
	for _, r := range links {
		e := s.Explain(f.t.Context(), r.Ref)
		for _, found := range e.Found {
			if found.Err != nil || (found.Version > 0) != (found.Shard == e.Owner) {
				misplaced++
			}
		}
	}
	if misplaced > 0 {
		f.t.Errorf("%d of %d links are not on their shard alone", misplaced, len(links))
	}
}

func TestADeadShardCanBeRemoved(t *testing.T) {
	f := newFleet(t, "a", "b", "c")
	s := f.join(true)
	f.verify(s)
	links := f.fill(s, 300)
	untilVerified(t, s)
	f.servers["b"].kill()
	next, err := f.newest().Remove("b")
	if err != nil {
		t.Fatal(err)
	}
	f.keep(next)
	f.move(s, nil)
	untilHeld(t, s, links...)
	if m := f.newest(); len(m.Members()) != 2 || m.Phase() != linkshards.Settled {
		t.Errorf("the membership is %v, want a and c, settled", m)
	}
}

// A Redis that comes back from an old dump holds old versions. They are not trusted until they were
// compared with the truth.
func TestAShardThatComesBackOlderIsNotTrusted(t *testing.T) {
	f := newFleet(t, "a")
	dir := t.TempDir()
	f.servers["a"].kill()
	f.servers["a"].start(t, "--dir", dir)
	s := f.join(true)
	links := f.fill(s, 2500)
	client := redis.NewClient(linkshards.DialOptions("127.0.0.1:" + strconv.Itoa(f.servers["a"].port)))
	defer client.Close()
	if err := client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	edited := appendLink(t, f.log, links[7].Ref.Code)
	mustPut(t, s, edited)
	f.servers["a"].kill()
	f.servers["a"].start(t, "--dir", dir)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r, err := s.Get(t.Context(), edited.Ref)
		if errors.Is(err, linkshards.ErrUnverified) && r.Version == edited.Version-1 {
			break // it is there, old, and said to be unverified
		}
		if err == nil {
			t.Fatalf("version %d is trusted, and version %d was acknowledged", r.Version, edited.Version)
		}
		if time.Now().After(deadline) {
			t.Fatalf("get: %v", err)
		}
	}
	f.verify(s)
	untilHeld(t, s, edited, links[8])
}

func TestAShardThatIsEmptiedIsFilled(t *testing.T) {
	f := newFleet(t, "a", "b")
	s := f.join(true)
	f.verify(s)
	links := f.fill(s, 2500)
	untilVerified(t, s)
	client := redis.NewClient(linkshards.DialOptions("127.0.0.1:" + strconv.Itoa(f.servers["a"].port)))
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	untilHeld(t, s, links...)
	untilVerified(t, s)
}

// A primary without a replica answers reads and refuses writes. What it holds is not trusted from then
// on, edits that it refused are announced by another shard, and it is compared with the truth before it is
// trusted again.
func TestAShardThatRefusesWritesIsNotTrusted(t *testing.T) {
	f := newFleet(t, "a", "b")
	s := f.join(true)
	f.verify(s)
	links := f.fill(s, 200)
	untilVerified(t, s)
	heard := make(chan shortener.Ref, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader := f.join(true)
	connected := make(chan struct{}, 10)
	go reader.Subscribe(ctx, linkshards.Listener{
		Changed:   func(ref shortener.Ref, _ int64) { heard <- ref },
		Connected: func() { connected <- struct{}{} },
	})
	receive(t, connected, "a subscription")
	receive(t, connected, "the other subscription")

	client := redis.NewClient(linkshards.DialOptions("127.0.0.1:" + strconv.Itoa(f.servers["a"].port)))
	defer client.Close()
	if err := client.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
		t.Fatal(err)
	}
	var edited shortener.Record
	for _, link := range links {
		if s.Owner(link.Ref) == "a" {
			edited = f.edit(link.Ref)
			break
		}
	}
	if err := s.Put(t.Context(), edited); err == nil {
		t.Fatal("a shard that refuses writes has taken one")
	}
	if ref := receive(t, heard, "the announcement"); ref != edited.Ref {
		t.Errorf("announced was %v, want %v", ref, edited.Ref)
	}
	for deadline := time.Now().Add(5 * time.Second); ; pause(ctx, 10*time.Millisecond) {
		if _, err := reader.Get(t.Context(), edited.Ref); errors.Is(err, linkshards.ErrUnverified) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("get says %v for as long as writes are refused, want ErrUnverified", err)
		}
	}
	if err := client.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err(); err != nil {
		t.Fatal(err)
	}
	untilHeld(t, reader, edited)
	untilVerified(t, reader)
}
