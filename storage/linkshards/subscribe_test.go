package linkshards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

type change struct {
	ref     shortener.Ref
	version int64
}

// listener follows announcements into channels.
type listener struct {
	changes    chan change
	reconnects chan struct{}
	members    chan struct{}
	stop       func()
}

func listen(t *testing.T, s *linkshards.Shards) *listener {
	l := &listener{changes: make(chan change, 1000), reconnects: make(chan struct{}, 1000), members: make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Subscribe(ctx, linkshards.Listener{
			Changed:   func(r shortener.Ref, v int64) { l.changes <- change{r, v} },
			Connected: func() { l.reconnects <- struct{}{} },
			Members:   func() { l.members <- struct{}{} },
		})
	}()
	l.stop = func() {
		cancel()
		if err := receive(t, ended, "the end of the subscription"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("subscribe: got %v, want the context's error", err)
		}
	}
	return l
}

func receive[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatalf("no sign of %s in 20s", what)
	}
	return v
}

func TestChangesAreAnnounced(t *testing.T) {
	onBoth(t, func(t *testing.T, s *linkshards.Shards, client *redis.Client) {
		l := listen(t, s)
		defer l.stop()
		receive(t, l.reconnects, "the subscription")
		ref := shortener.Ref{Domain: "go.example", Code: "a-b_C"}
		put := func(version int64) {
			r := record(ref.Code, version)
			r.Ref = ref
			mustPut(t, s, r)
		}
		for _, step := range []struct {
			name    string
			version int64
			heard   bool
		}{
			{"the first version", 1, true},
			{"an edit", 2, true},
			{"a jump", 7, true},
			{"the same again: who wrote it may not have announced it", 7, true},
			{"an older one", 3, false},
			{"the next", 8, true},
		} {
			put(step.version)
			if !step.heard {
				continue // the next step's announcement would come second
			}
			if got, want := receive(t, l.changes, step.name), (change{ref, step.version}); got != want {
				t.Errorf("%s: heard %v, want %v", step.name, got, want)
			}
		}
		// What is no announcement is passed over.
		client.Publish(t.Context(), "links.changed", "rubbish")
		put(9)
		if got, want := receive(t, l.changes, "version 9"), (change{ref, 9}); got != want {
			t.Errorf("after rubbish: heard %v, want %v", got, want)
		}
	})
}

func TestTheFirstVersionTwiceIsHarmless(t *testing.T) {
	onBoth(t, func(t *testing.T, s *linkshards.Shards, _ *redis.Client) {
		mustPut(t, s, record("a", 1))
		mustPut(t, s, record("a", 1))
		wantRecord(t, s, record("a", 1))
	})
}

func TestASubscriptionComesBack(t *testing.T) {
	server := startRedis(t)
	s := newShards(t, linkshards.Options{Breaker: patient}, append(newEmbedded(t, 1), server.shard(t, "real"))...)
	l := listen(t, s)
	defer l.stop()
	receive(t, l.reconnects, "the first subscription")
	receive(t, l.reconnects, "the second subscription")
	server.kill()
	server.start(t)
	receive(t, l.reconnects, "the new subscription")
	codes := map[string]bool{}
	for _, code := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		mustPut(t, s, record(code, 1))
		codes[s.Owner(shortener.Ref{Code: code})] = true
		if got := receive(t, l.changes, code); got.ref.Code != code {
			t.Errorf("heard %v, want a change of %s", got, code)
		}
	}
	if len(codes) != 2 {
		t.Fatalf("codes lie on %v: the test needs both shards", codes)
	}
}
