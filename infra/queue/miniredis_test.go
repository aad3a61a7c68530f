package queue

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func startMiniredis(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return m, client
}

func TestOnMiniredis(t *testing.T) {
	suite(t, func(t *testing.T) server {
		m, client := startMiniredis(t)
		now := time.Now()
		m.SetTime(now)
		return server{client: client, pass: func(d time.Duration) {
			now = now.Add(d)
			m.SetTime(now)
		}}
	})
}

func TestDeadRedisIsReturned(t *testing.T) {
	m, client := startMiniredis(t)
	c := NewConsumer(Config{Client: client, Stream: stream, Group: "workers", Name: "a", Block: time.Millisecond})
	if _, err := c.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.Close()
	if _, err := c.Receive(t.Context()); err == nil {
		t.Error("Receive from a dead Redis: got nil, want an error")
	}
	if err := (Producer{}).Publish(t.Context(), client, stream, map[string]any{"v": 1}); err == nil {
		t.Error("Publish to a dead Redis: got nil, want an error")
	}
	if err := c.Ack(t.Context(), "1-1"); err == nil {
		t.Error("Ack at a dead Redis: got nil, want an error")
	}
}

func TestReceiveGoesOnAfterAnError(t *testing.T) {
	m, client := startMiniredis(t)
	s := server{client: client}
	c := consumer(s, "a")
	want(t, receive(t, c), 0)
	publish(t, s, "1")
	m.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := c.Receive(t.Context()); err == nil {
		t.Error("Receive from a Redis that is loading: got nil, want an error")
	}
	m.SetError("")
	want(t, receive(t, c), 1, "1")
}

func TestCancelledReceiveIsAnError(t *testing.T) {
	_, client := startMiniredis(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := NewConsumer(Config{Client: client, Stream: stream, Group: "workers", Name: "a"})
	if _, err := c.Receive(ctx); err == nil {
		t.Error("Receive under a cancelled context: got nil, want an error")
	}
}

func TestReclaimIsDueAfterHalfOfMinIdle(t *testing.T) {
	m, client := startMiniredis(t)
	now := time.Unix(1_700_000_000, 0)
	m.SetTime(now)
	s := server{client: client}
	publish(t, s, "1")
	want(t, receive(t, consumer(s, "dead")), 1, "1")
	c := NewConsumer(Config{
		Client: client, Stream: stream, Group: "workers", Name: "a",
		Block: time.Millisecond, MinIdle: 10 * time.Second, Now: func() time.Time { return now },
	})
	var seen []int
	for second := range 16 {
		m.SetTime(now)
		if messages := receive(t, c); len(messages) > 0 {
			seen = append(seen, second)
			ack(t, c, messages)
		}
		now = now.Add(time.Second)
	}
	if len(seen) != 1 || seen[0] != 10 {
		t.Fatalf("taken over at seconds %v, want at 10: looked at 0, 5 and 10", seen)
	}
}

func BenchmarkPublishReceiveAck(b *testing.B) {
	_, client := startMiniredis(b)
	c := NewConsumer(Config{Client: client, Stream: stream, Group: "workers", Name: "a"})
	payload := map[string]any{"v": make([]byte, 64<<10)} // about a batch
	for b.Loop() {
		if err := (Producer{MaxLen: 1000}).Publish(b.Context(), client, stream, payload); err != nil {
			b.Fatal(err)
		}
		messages, err := c.Receive(b.Context())
		if err != nil || len(messages) != 1 {
			b.Fatal(messages, err)
		}
		if err := c.Ack(b.Context(), messages[0].ID); err != nil {
			b.Fatal(err)
		}
	}
}
