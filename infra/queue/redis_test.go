//go:build integration

package queue

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startRedis runs a redis-server for the time of the test.
func startRedis(t testing.TB) (*redis.Client, func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	var cmd *exec.Cmd
	start := func() error {
		cmd = exec.Command("redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
		return cmd.Start()
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if err := start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	t.Cleanup(func() { stop() })
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	await(t, client)
	return client, func() error {
		stop()
		return start()
	}
}

func await(t testing.TB, client *redis.Client) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); client.Ping(t.Context()).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not answer")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOnRedis(t *testing.T) {
	client, _ := startRedis(t)
	suite(t, func(t *testing.T) server {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return server{client: client, pass: time.Sleep} // its clock is the real one
	})
}

func TestRedisThatComesBackEmpty(t *testing.T) {
	client, restart := startRedis(t)
	s := server{client: client, pass: time.Sleep}
	a := consumer(s, "a")
	publish(t, s, "lost")
	want(t, receive(t, a), 1, "lost")
	if err := restart(); err != nil {
		t.Fatal(err)
	}
	await(t, client)
	publish(t, s, "new")
	messages := receive(t, a)
	want(t, messages, 1, "new")
	ack(t, a, messages)
	wantEmpty(t, s)
}

func TestStreamDeletedUnderABlockedReader(t *testing.T) {
	client, _ := startRedis(t)
	s := server{client: client}
	a := NewConsumer(Config{Client: client, Stream: stream, Group: "workers", Name: "a"})
	want(t, receive(t, a), 0)
	type result struct {
		messages []Message
		err      error
	}
	got := make(chan result)
	go func() {
		messages, err := a.Receive(t.Context())
		got <- result{messages, err}
	}()
	awaitBlocked(t, client)
	if err := client.Del(t.Context(), stream).Err(); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.err != nil || len(r.messages) > 0 {
		t.Fatalf("Receive with the stream deleted under it: got %v, %v; want none", r.messages, r.err)
	}
	publish(t, s, "1")
	want(t, receive(t, a), 1, "1")
}

// awaitBlocked returns when a client waits in a blocking command.
func awaitBlocked(t *testing.T, client *redis.Client) {
	for deadline := time.Now().Add(10 * time.Second); ; {
		n := client.InfoMap(t.Context(), "clients").Item("Clients", "blocked_clients")
		if n != "" && n != "0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no client is blocked")
		}
	}
}

// An entry that was deleted while pending must not be delivered, nor stay pending.
func TestTrimmedWhilePending(t *testing.T) {
	client, _ := startRedis(t)
	s := server{client: client, pass: time.Sleep}
	publish(t, s, "1", "2")
	want(t, receive(t, consumer(s, "a")), 1, "1", "2")
	if err := client.XTrimMaxLen(context.Background(), stream, 1).Err(); err != nil {
		t.Fatal(err)
	}
	a := consumer(s, "a")
	messages := receive(t, a)
	want(t, messages, 2, "2")
	ack(t, a, messages)
	wantEmpty(t, s)
}
