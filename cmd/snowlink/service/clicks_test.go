package service

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"snowlink/infra/spool"
	"snowlink/shortener"
	"snowlink/shortener/dispatch"
	"snowlink/storage/linkshards/embedded"
)

func TestAcksComeThroughAShard(t *testing.T) {
	shards, err := embedded.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer shards.Close()
	client := shards.Shards()[0].Client
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOfN(rapid.Uint64(), 1, 20).Draw(rt, "batches")
		subscription := client.Subscribe(context.Background(), clickAcks)
		defer subscription.Close()
		if _, err := subscription.Receive(context.Background()); err != nil {
			rt.Fatal(err)
		}
		if err := (acker{client}).Applied(context.Background(), "edge", want); err != nil {
			rt.Fatal(err)
		}
		message, err := subscription.ReceiveMessage(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		if producer, got, ok := parseAck(message.Payload); !ok || producer != "edge" || !slices.Equal(got, want) {
			rt.Errorf("parseAck(%q) = %q, %v, %v, want edge, %v", message.Payload, producer, got, ok, want)
		}
	})
}

func TestParseAckRefusesAnythingElse(t *testing.T) {
	for _, payload := range []string{"", "edge", "edge:", "edge:1,", "edge:-1", "edge:1,x", "edge:99999999999999999999"} {
		if producer, batches, ok := parseAck(payload); ok {
			t.Errorf("parseAck(%q) = %q, %v, want it refused", payload, producer, batches)
		}
	}
}

func TestSpoolLogKeepsSequenceNumbers(t *testing.T) {
	s, err := spool.Open(spool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, payload := range []string{"one", "two"} {
		if _, err := s.Append([]byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	s.CloseBatch()
	raw, err := spoolLog{s}.Read(1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := shortener.DecodeBatch(raw)
	if err != nil || b.Producer != s.Producer() || b.Number != 1 || b.FirstSeq != 1 || len(b.Clicks) != 2 || string(b.Clicks[1]) != "two" {
		t.Errorf("batch 1 = %+v, %v, want both clicks from sequence 1", b, err)
	}
	if _, err := (spoolLog{s}).Read(2); !errors.Is(err, dispatch.ErrNoBatch) {
		t.Errorf("batch 2: got %v, want ErrNoBatch", err)
	}
}

func TestSenderTakesAnotherShardWhenOneIsDown(t *testing.T) {
	shards, err := embedded.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer shards.Close()
	alive := shards.Shards()[0].Client
	down := redis.NewClient(&redis.Options{MaxRetries: -1, Dialer: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("down")
	}})
	defer down.Close()
	ways := []redisShard{{"down", down}, {"alive", alive}}
	s := &sender{shards: func() []redisShard { return ways }}
	for i := range 3 {
		if err := s.Send(t.Context(), []byte("batch")); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
	}
	if n, err := alive.XLen(t.Context(), clickStream).Result(); n != 3 || err != nil {
		t.Errorf("the shard alive holds %d batches, %v, want 3", n, err)
	}
	if err := (&sender{shards: func() []redisShard { return ways[:1] }}).Send(t.Context(), []byte("batch")); err == nil {
		t.Error("send with every shard down: no error")
	}
}
