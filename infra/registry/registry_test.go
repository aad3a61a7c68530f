package registry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is a Redis, and a way to make time go by there.
type server struct {
	client *redis.Client
	pass   func(time.Duration)
}

// servers are the kinds of Redis that a test is run on.
var servers = map[string]func(*testing.T) server{"miniredis": startMini}

func onEach(t *testing.T, test func(t *testing.T, client *redis.Client, pass func(time.Duration))) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			test(t, s.client, s.pass)
		})
	}
}

func startMini(t *testing.T) server {
	mini := miniredis.RunT(t)
	now := time.Now()
	mini.SetTime(now)
	return server{connect(t, mini.Addr()), func(d time.Duration) {
		now = now.Add(d)
		mini.SetTime(now)
	}}
}

// quiet keeps the client library from logging that servers of tests are down.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

func connect(t *testing.T, addr string) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

const ttl = 300 * time.Millisecond

func register(t *testing.T, r *Registry, id string) *Registration {
	t.Helper()
	reg, err := r.Register(t.Context(), Instance{
		Service: "api", ID: id, Addr: id + ".example:80", Weight: 2, Meta: map[string]string{"zone": "a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func look(t *testing.T, w *Watcher, want ...string) {
	t.Helper()
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range w.Instances() {
		got = append(got, i.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("instances = %v, want %v", got, want)
	}
}

func TestAnInstanceIsListedAsItRegistered(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		reg := register(t, r, "b")
		register(t, r, "a")
		w := r.Watch("api")
		look(t, w, "a", "b")
		got := w.Instances()[1]
		if got.Addr != "b.example:80" || got.Weight != 2 || got.Meta["zone"] != "a" || got.Generation != reg.Instance().Generation {
			t.Errorf("got %+v, want %+v", got, reg.Instance())
		}
		look(t, r.Watch("other"))
	})
}

func TestAListThatHasNotChangedIsTheSameSlice(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		register(t, r, "a")
		w := r.Watch("api")
		look(t, w, "a")
		before := &w.Instances()[0]
		look(t, w, "a")
		if &w.Instances()[0] != before {
			t.Error("the list was replaced though nothing had changed")
		}
	})
}

func TestSilenceEndsAnInstanceAndHeartbeatsKeepIt(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, pass func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		kept := register(t, r, "kept")
		register(t, r, "silent")
		w := r.Watch("api")
		look(t, w, "kept", "silent")
		for range 5 {
			pass(ttl / 3)
			if err := kept.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		look(t, w, "kept")
	})
}

func TestTheLaterOfTwoUnderOneIDStays(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		first := register(t, r, "a")
		second := register(t, r, "a")
		if first.Instance().Generation >= second.Instance().Generation {
			t.Errorf("generations %d, %d do not rise", first.Instance().Generation, second.Instance().Generation)
		}
		if err := first.Beat(t.Context()); !errors.Is(err, ErrSuperseded) {
			t.Errorf("heartbeat of the first: %v, want ErrSuperseded", err)
		}
		if err := first.Run(t.Context()); !errors.Is(err, ErrSuperseded) {
			t.Errorf("Run of the first: %v, want ErrSuperseded", err)
		}
		if err := first.Deregister(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := second.Beat(t.Context()); err != nil {
			t.Errorf("heartbeat of the second: %v", err)
		}
		look(t, r.Watch("api"), "a")
	})
}

func TestDeregisterIsNotUndoneByALateHeartbeat(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		reg := register(t, r, "a")
		register(t, r, "b")
		if err := reg.Deregister(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := reg.Beat(t.Context()); !errors.Is(err, ErrSuperseded) {
			t.Errorf("heartbeat after Deregister: %v, want ErrSuperseded", err)
		}
		w := r.Watch("api")
		look(t, w, "b")
		register(t, r, "a")
		look(t, w, "a", "b")
	})
}

func TestAnEmptiedRedisIsFilledAgain(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		reg := register(t, r, "a")
		w := r.Watch("api")
		look(t, w, "a")
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		look(t, w, "a") // not believed
		if err := reg.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(t, r.Watch("api"), "a")
		later := register(t, r, "a")
		if later.Instance().Generation <= reg.Instance().Generation {
			t.Error("generations start again after Redis has lost them")
		}
	})
}

func TestALastingEmptinessIsBelieved(t *testing.T) {
	mini := miniredis.RunT(t)
	r := New(connect(t, mini.Addr()), Config{TTL: ttl, Keep: time.Nanosecond})
	register(t, r, "a")
	w := r.Watch("api")
	look(t, w, "a")
	mini.FlushAll()
	_ = w.Look(t.Context())
	look(t, w)
}

func TestTheLastListStandsWhenRedisIsGone(t *testing.T) {
	mini := miniredis.RunT(t)
	r := New(connect(t, mini.Addr()), Config{TTL: ttl, Call: 100 * time.Millisecond})
	reg := register(t, r, "a")
	w := r.Watch("api")
	look(t, w, "a")
	mini.Close()
	if err := w.Look(t.Context()); err == nil {
		t.Error("Look without Redis has no error")
	}
	if err := reg.Beat(t.Context()); err == nil || errors.Is(err, ErrSuperseded) {
		t.Errorf("heartbeat without Redis: %v", err)
	}
	if n := len(w.Instances()); n != 1 {
		t.Errorf("%d instances, want the last known one", n)
	}
	if err := mini.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := reg.Beat(t.Context()); err != nil {
		t.Errorf("heartbeat after Redis is back: %v", err)
	}
	look(t, w, "a")
}

func TestTheDeadAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, pass func(time.Duration)) {
		r := New(client, Config{TTL: 10 * time.Millisecond})
		reg := register(t, r, "a")
		register(t, r, "dead")
		pass(time.Second)
		if err := reg.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := client.HLen(t.Context(), r.keys("api")[2]).Val(); n != 1 {
			t.Errorf("%d generations are kept, want that of the living one", n)
		}
	})
}

func TestRunsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(nothing{}, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- r.Watch("api").Run(ctx) }()
		go func() { done <- (&Registration{registry: r}).Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	})
}

// nothing is a Redis that does not answer.
type nothing struct{ redis.Scripter }

func (nothing) EvalSha(ctx context.Context, _ string, _ []string, _ ...any) *redis.Cmd {
	return failed(ctx)
}

func (nothing) EvalShaRO(ctx context.Context, _ string, _ []string, _ ...any) *redis.Cmd {
	return failed(ctx)
}

func failed(ctx context.Context) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(errors.New("connection refused"))
	return cmd
}

func BenchmarkInstances(b *testing.B) {
	w := New(nothing{}, Config{}).Watch("api")
	for b.Loop() {
		_ = w.Instances()
	}
}
