package queue

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a Redis, in whichever form, that a suite runs against.
type server struct {
	client *redis.Client
	// pass lets d go by on the server's clock.
	pass func(d time.Duration)
}

// suite is what every Redis has to do.
func suite(t *testing.T, start func(*testing.T) server) {
	for name, test := range map[string]func(*testing.T, server){
		"entries arrive in order and are deleted":     testInOrder,
		"what was published before the group arrives": testPublishedFirst,
		"consumers share a group":                     testShare,
		"a restart begins with its own":               testRestart,
		"abandoned entries are taken over":            testReclaim,
		"entries in work are left alone":              testNotIdle,
		"poison becomes a dead letter":                testDeadLetter,
		"poison of an earlier life too":               testDeadLetterAfterRestart,
		"a burial may be repeated":                    testBuryTwice,
		"a stream that vanished is made again":        testVanished,
		"a full stream refuses":                       testFull,
		"none is no error":                            testNone,
		"binary values survive":                       testBinary,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

const stream = "clicks"

func consumer(s server, name string) *Consumer {
	return NewConsumer(Config{
		Client: s.client, Stream: stream, Group: "workers", Name: name,
		Batch: 4, Block: 5 * time.Millisecond, MinIdle: time.Second, MaxDeliveries: 3,
		Now: steppingClock(),
	})
}

// steppingClock advances by an hour a look, so that a reclaim is always due.
func steppingClock() func() time.Time {
	now := time.Unix(0, 0)
	return func() time.Time {
		now = now.Add(time.Hour)
		return now
	}
}

func publish(t *testing.T, s server, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := (Producer{}).Publish(t.Context(), s.client, stream, map[string]any{"v": v}); err != nil {
			t.Fatalf("Publish(%s): %v", v, err)
		}
	}
}

func receive(t *testing.T, c *Consumer) []Message {
	t.Helper()
	messages, err := c.Receive(t.Context())
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return messages
}

func want(t *testing.T, messages []Message, deliveries int64, values ...string) {
	t.Helper()
	var got []string
	for _, m := range messages {
		got = append(got, m.Values["v"])
		if m.Deliveries != deliveries {
			t.Fatalf("deliveries of %s: got %d, want %d", m.Values["v"], m.Deliveries, deliveries)
		}
	}
	if !slices.Equal(got, values) {
		t.Fatalf("received: got %v, want %v", got, values)
	}
}

func ack(t *testing.T, c *Consumer, messages []Message) {
	t.Helper()
	var ids []string
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	if err := c.Ack(t.Context(), ids...); err != nil {
		t.Fatalf("Ack: %v", err)
	}
}

func wantEmpty(t *testing.T, s server) {
	t.Helper()
	n, err := s.client.XLen(t.Context(), stream).Result()
	if err != nil || n != 0 {
		t.Fatalf("entries left: got %d, %v, want 0", n, err)
	}
	p, err := s.client.XPending(t.Context(), stream, "workers").Result()
	if err != nil || p.Count != 0 {
		t.Fatalf("entries pending: got %+v, %v, want none", p, err)
	}
}

func testInOrder(t *testing.T, s server) {
	c := consumer(s, "a")
	want(t, receive(t, c), 0)
	publish(t, s, "1", "2", "3", "4", "5", "6")
	first := receive(t, c)
	want(t, first, 1, "1", "2", "3", "4")
	ack(t, c, first)
	ack(t, c, first)
	second := receive(t, c)
	want(t, second, 1, "5", "6")
	ack(t, c, second)
	ack(t, c, nil)
	want(t, receive(t, c), 0)
	wantEmpty(t, s)
}

func testPublishedFirst(t *testing.T, s server) {
	publish(t, s, "early")
	want(t, receive(t, consumer(s, "a")), 1, "early")
}

func testShare(t *testing.T, s server) {
	publish(t, s, "1", "2", "3", "4", "5")
	a, b := consumer(s, "a"), consumer(s, "b")
	want(t, receive(t, a), 1, "1", "2", "3", "4")
	want(t, receive(t, b), 1, "5")
}

func testRestart(t *testing.T, s server) {
	publish(t, s, "1", "2", "3", "4", "5", "6", "7")
	before := consumer(s, "a")
	acked := receive(t, before)
	want(t, acked, 1, "1", "2", "3", "4")
	ack(t, before, acked[1:2])
	want(t, receive(t, before), 1, "5", "6", "7")

	after := consumer(s, "a")
	var got []string
	for len(got) < 6 {
		messages := receive(t, after)
		if len(messages) == 0 {
			t.Fatalf("after the restart: got %v and no more", got)
		}
		for _, m := range messages {
			got = append(got, m.Values["v"])
			if m.Deliveries != 2 {
				t.Fatalf("deliveries of %s after the restart: got %d, want 2", m.Values["v"], m.Deliveries)
			}
		}
		ack(t, after, messages)
	}
	if want := []string{"1", "3", "4", "5", "6", "7"}; !slices.Equal(got, want) {
		t.Fatalf("after the restart: got %v, want %v", got, want)
	}
	publish(t, s, "8")
	last := receive(t, after)
	want(t, last, 1, "8")
	ack(t, after, last)
	wantEmpty(t, s)
}

func testReclaim(t *testing.T, s server) {
	publish(t, s, "1", "2", "3", "4")
	want(t, receive(t, consumer(s, "dead")), 1, "1", "2", "3", "4")
	s.pass(1100 * time.Millisecond)
	b := consumer(s, "b")
	messages := receive(t, b)
	want(t, messages, 2, "1", "2", "3", "4")
	ack(t, b, messages)
	wantEmpty(t, s)
}

func testNotIdle(t *testing.T, s server) {
	publish(t, s, "1")
	want(t, receive(t, consumer(s, "busy")), 1, "1")
	want(t, receive(t, consumer(s, "b")), 0)
}

func testDeadLetter(t *testing.T, s server) {
	publish(t, s, "poison")
	a := consumer(s, "a")
	for delivery := range int64(3) {
		want(t, receive(t, a), delivery+1, "poison")
		s.pass(1100 * time.Millisecond)
	}
	publish(t, s, "good")
	messages := receive(t, a)
	want(t, messages, 1, "good")
	ack(t, a, messages)
	wantEmpty(t, s)
	wantLetter(t, s, "4")
}

func testDeadLetterAfterRestart(t *testing.T, s server) {
	publish(t, s, "poison")
	for delivery := range int64(3) {
		want(t, receive(t, consumer(s, "a")), delivery+1, "poison")
	}
	want(t, receive(t, consumer(s, "a")), 0)
	wantEmpty(t, s)
	wantLetter(t, s, "4")
}

func wantLetter(t *testing.T, s server, deliveries string) {
	t.Helper()
	letters, err := s.client.XRange(t.Context(), stream+":dead", "-", "+").Result()
	if err != nil || len(letters) != 1 {
		t.Fatalf("dead letters: got %v, %v, want one", letters, err)
	}
	v := letters[0].Values
	if v["v"] != "poison" || v["_stream"] != stream || v["_group"] != "workers" || v["_deliveries"] != deliveries || v["_id"] == "" {
		t.Fatalf("dead letter: got %v, want the entry and its origin, delivered %s times", v, deliveries)
	}
}

func testBuryTwice(t *testing.T, s server) {
	publish(t, s, "poison")
	a := consumer(s, "a")
	id := receive(t, a)[0].ID
	for range 2 {
		if err := a.bury(t.Context(), id); err != nil {
			t.Fatalf("bury: %v", err)
		}
	}
	wantEmpty(t, s)
	wantLetter(t, s, "1")
}

func testVanished(t *testing.T, s server) {
	a := consumer(s, "a")
	publish(t, s, "1")
	lost := receive(t, a)
	want(t, lost, 1, "1")
	for name, vanish := range map[string]func() error{
		"stream deleted":  func() error { return s.client.Del(t.Context(), stream).Err() },
		"group destroyed": func() error { return s.client.XGroupDestroy(t.Context(), stream, "workers").Err() },
		"Redis emptied":   func() error { return s.client.FlushAll(t.Context()).Err() },
	} {
		if err := vanish(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ack(t, a, lost)
		publish(t, s, name)
		lost = receive(t, a)
		want(t, lost, 1, name)
		ack(t, a, lost)
	}
}

func testFull(t *testing.T, s server) {
	p := Producer{MaxLen: 2}
	fields := map[string]any{"v": "x"}
	for range 2 {
		if err := p.Publish(t.Context(), s.client, stream, fields); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Publish(t.Context(), s.client, stream, fields); !errors.Is(err, ErrFull) {
		t.Fatalf("Publish at the cap: got %v, want ErrFull", err)
	}
	c := consumer(s, "a")
	messages := receive(t, c)
	want(t, messages, 1, "x", "x")
	ack(t, c, messages[:1])
	if err := p.Publish(t.Context(), s.client, stream, fields); err != nil {
		t.Fatalf("Publish after an acknowledgement: %v", err)
	}
}

func testNone(t *testing.T, s server) {
	c := consumer(s, "a")
	for range 3 {
		want(t, receive(t, c), 0)
	}
}

func testBinary(t *testing.T, s server) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	err := (Producer{}).Publish(t.Context(), s.client, stream, map[string]any{"b": every, "n": uint64(1<<64 - 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, consumer(s, "a"))
	if len(m) != 1 || m[0].Values["b"] != string(every) || m[0].Values["n"] != fmt.Sprint(uint64(1<<64-1)) {
		t.Fatalf("got %v, want every byte once", m)
	}
}
