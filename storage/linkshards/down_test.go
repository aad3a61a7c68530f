package linkshards_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"snowlink/infra/breaker"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

func TestAKilledShardIsAnErrorAndNotAMiss(t *testing.T) {
	server := startRedis(t)
	s := newShards(t, linkshards.Options{Breaker: breaker.Config{MinCalls: 10, OpenFor: time.Hour}}, server.shard(t, "a"))
	mustPut(t, s, record("hot", 1))
	server.kill()
	slow := 0
	for i := range 30 {
		for _, code := range []string{"hot", "none"} {
			begun := time.Now()
			_, err := s.Get(t.Context(), shortener.Ref{Code: code})
			if shortener.KindOf(err) != shortener.Unavailable || errors.Is(err, linkshards.ErrMiss) {
				t.Fatalf("get %d of %q: got %v, want Unavailable", i, code, err)
			}
			if time.Since(begun) > 100*time.Millisecond {
				slow++
			}
		}
	}
	if slow > 3 { // the machine may be busy
		t.Errorf("%d of 60 calls took over 100ms, want none", slow)
	}
	if err := s.Put(t.Context(), record("hot", 2)); shortener.KindOf(err) != shortener.Unavailable || !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("put: got %v, want Unavailable by an open breaker", err)
	}
	if status := s.Status(t.Context())[0]; status.Err == nil || status.Breaker != "open" {
		t.Errorf("status: got %+v, want an error and an open breaker", status)
	}
}

func TestAHungShardObeysTheDeadline(t *testing.T) {
	for name, warm := range map[string]bool{"on a connection that is there": true, "on a new connection": false} {
		t.Run(name, func(t *testing.T) {
			server := startRedis(t)
			s := newShards(t, linkshards.Options{Breaker: patient}, server.shard(t, "a"))
			if warm {
				mustPut(t, s, record("hot", 1))
			}
			server.cmd.Process.Signal(syscall.SIGSTOP)
			best := time.Hour
			for range 5 {
				begun := time.Now()
				_, err := s.Get(t.Context(), shortener.Ref{Code: "hot"})
				if timeout, ok := errors.AsType[net.Error](err); shortener.KindOf(err) != shortener.Unavailable || !ok || !timeout.Timeout() {
					t.Fatalf("get: got %v, want Unavailable by the deadline", err)
				}
				best = min(best, time.Since(begun))
			}
			// The best of five: the machine may be busy.
			if best < 50*time.Millisecond || best > 100*time.Millisecond {
				t.Errorf("get took %v at best, want 50ms", best)
			}
			server.cmd.Process.Signal(syscall.SIGCONT)
			mustPut(t, newShards(t, linkshards.Options{WriteTimeout: 10 * time.Second}, server.shard(t, "a")), record("hot", 2))
		})
	}
}

func TestOneShardDownLeavesTheOthers(t *testing.T) {
	server := startRedis(t)
	members := append(newEmbedded(t, 2), server.shard(t, "real"))
	s := newShards(t, linkshards.Options{Breaker: patient}, members...)
	var records []shortener.Record
	for _, code := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		r := record(code, 1)
		mustPut(t, s, r)
		r.Version, r.Target = 2, "https://two.example/"
		records = append(records, r)
	}
	server.kill()
	healthy := 0
	for _, r := range records {
		got, err := s.Get(t.Context(), r.Ref)
		if down := s.Owner(r.Ref) == "real"; down != (shortener.KindOf(err) == shortener.Unavailable) || !down && got.Version != 1 {
			t.Errorf("get %s of shard %s: got %+v, %v", r.Ref, s.Owner(r.Ref), got, err)
		} else if !down {
			healthy++
		}
	}
	if healthy == 0 || healthy == len(records) {
		t.Fatalf("%d of %d keys are on healthy shards: the test needs both kinds", healthy, len(records))
	}
	behind, err := s.Behind(t.Context(), records)
	if err == nil || len(behind) != healthy {
		t.Errorf("behind: got %d records, %v; want those %d of the healthy shards, and an error", len(behind), err, healthy)
	}
}
