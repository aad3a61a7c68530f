package embedded

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func newShards(t testing.TB, n int) *Shards {
	t.Helper()
	s, err := New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestALongPipelineDoesNotBlockItself(t *testing.T) {
	client := newShards(t, 1).Shards()[0].Client
	value := strings.Repeat("x", 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answers, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for range 5000 {
			p.Set(ctx, "k", value, 0)
			p.Get(ctx, "k")
		}
		return nil
	})
	if err != nil || len(answers) != 10000 {
		t.Errorf("pipeline of 10,000 commands and 5 MB: got %d answers, %v", len(answers), err)
	}
}

func TestInstancesAreApart(t *testing.T) {
	shards := newShards(t, 2).Shards()
	if err := shards[0].Client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := shards[1].Client.Exists(t.Context(), "k").Result(); n != 0 || err != nil {
		t.Errorf("the other instance: got %d keys, %v; want none", n, err)
	}
}

func TestABlockingReadEndsWithItsContext(t *testing.T) {
	client := newShards(t, 1).Shards()[0].Client
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := client.BLPop(ctx, time.Second, "none").Err()
	if err == nil || errors.Is(err, redis.Nil) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestNothingAnswersAfterClose(t *testing.T) {
	s := newShards(t, 1)
	client := s.Shards()[0].Client
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("ping after close: no error")
	}
}

func BenchmarkGet(b *testing.B) {
	client := newShards(b, 1).Shards()[0].Client
	client.Set(b.Context(), "k", strings.Repeat("x", 100), 0)
	for b.Loop() {
		if err := client.Get(b.Context(), "k").Err(); err != nil {
			b.Fatal(err)
		}
	}
}
