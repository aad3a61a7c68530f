package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/queue"
	"snowlink/infra/spool"
	"snowlink/shortener"
	"snowlink/shortener/dispatch"
	"snowlink/shortener/ingest"
)

// The names of the click pipeline in Redis.
const (
	clickStream  = "clicks"      // one entry a batch, in field "b"
	clickGroup   = "workers"     // the consumer group of the workers
	clickAcks    = "clicks:acks" // channel: "producer:number,number,…"
	clickField   = "b"
	sendTimeout  = 500 * time.Millisecond
	clicksMaxLen = 20_000 // entries a stream holds before its producers keep them in their spools
)

// spoolLog is the spool as the dispatcher sees it.
type spoolLog struct{ *spool.Spool }

// Read returns the encoded batch. A click that was lost to damage leaves its place empty, so that the
// others keep their sequence numbers.
func (l spoolLog) Read(number uint64) ([]byte, error) {
	b, err := l.ReadBatch(number)
	if errors.Is(err, spool.ErrNoBatch) {
		return nil, dispatch.ErrNoBatch
	}
	if err != nil {
		return nil, fmt.Errorf("read click batch %d: %w", number, err)
	}
	batch := shortener.Batch{Producer: l.Producer(), Number: b.Number, FirstSeq: b.FirstSeq}
	next := b.FirstSeq
	for i, payload := range b.Payloads {
		for ; next < b.Seqs[i]; next++ {
			batch.Clicks = append(batch.Clicks, nil)
		}
		batch.Clicks = append(batch.Clicks, payload)
		next++
	}
	return shortener.AppendBatch(nil, batch), nil
}

// sender puts batches on the stream of a shard that takes them, beginning with the one that took the
// last.
type sender struct {
	shards  func() []redisShard
	current atomic.Uint32
}

func (s *sender) Send(ctx context.Context, raw []byte) error {
	producer := queue.Producer{MaxLen: clicksMaxLen}
	var faults []error
	start, shards := s.current.Load(), s.shards()
	for i := range shards {
		at := (int(start) + i) % len(shards)
		attempt, cancel := context.WithTimeout(ctx, sendTimeout)
		err := producer.Publish(attempt, shards[at].client, clickStream, map[string]any{clickField: raw})
		cancel()
		if err == nil {
			s.current.Store(uint32(at))
			return nil
		}
		faults = append(faults, fmt.Errorf("shard %s: %w", shards[at].name, err))
	}
	return fmt.Errorf("send click batch: %w", errors.Join(faults...))
}

// source is the queue of one shard as a worker sees it.
type source struct{ consumer *queue.Consumer }

func (s source) Receive(ctx context.Context) ([]ingest.Message, error) {
	entries, err := s.consumer.Receive(ctx)
	out := make([]ingest.Message, len(entries))
	for i, e := range entries {
		out[i] = ingest.Message{ID: e.ID, Raw: []byte(e.Values[clickField]), Deliveries: e.Deliveries}
	}
	return out, err
}

func (s source) Ack(ctx context.Context, ids ...string) error { return s.consumer.Ack(ctx, ids...) }

// acker tells the edges, by way of the shard that a batch came through, that the click store has it.
// A message that is lost costs a second delivery, which the store recognises.
type acker struct{ client *redis.Client }

func (a acker) Applied(ctx context.Context, producer string, batches []uint64) error {
	var b strings.Builder
	b.WriteString(producer)
	for i, n := range batches {
		b.WriteByte(":,"[min(i, 1)])
		b.WriteString(strconv.FormatUint(n, 10))
	}
	if err := a.client.Publish(ctx, clickAcks, b.String()).Err(); err != nil {
		return fmt.Errorf("acknowledge click batches: %w", err)
	}
	return nil
}

// parseAck reads what an acker wrote; ok is false for anything else.
func parseAck(payload string) (producer string, batches []uint64, ok bool) {
	producer, list, ok := strings.Cut(payload, ":")
	if !ok {
		return "", nil, false
	}
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return "", nil, false
		}
		batches = append(batches, n)
	}
	return producer, batches, true
}

// followAcks hands the acknowledgements of producer that come through the shard to applied, until ctx
// ends. While the shard is away it tries again.
func followAcks(ctx context.Context, shard redisShard, producer string, applied func([]uint64), log *slog.Logger) error {
	for ctx.Err() == nil {
		err := readAcks(ctx, shard.client, producer, applied)
		if ctx.Err() == nil {
			log.Warn("acknowledgements of clicks are interrupted", "shard", shard.name, "error", err)
			pause(ctx, time.Second)
		}
	}
	return ctx.Err()
}

// readAcks follows one subscription until it fails. A connection that says nothing is asked whether it
// is alive: one that died unnoticed would keep every acknowledgement from the spool.
func readAcks(ctx context.Context, client *redis.Client, producer string, applied func([]uint64)) error {
	subscription := client.Subscribe(ctx, clickAcks)
	defer subscription.Close()
	const silence, patience = time.Second, 3
	for silent := 0; ctx.Err() == nil; {
		received, err := subscription.ReceiveTimeout(ctx, silence)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			if silent++; silent > patience {
				return errors.New("the connection says nothing")
			}
			err = subscription.Ping(ctx)
		} else {
			silent = 0
		}
		if err != nil {
			return err
		}
		if message, ok := received.(*redis.Message); ok {
			if p, batches, ok := parseAck(message.Payload); ok && p == producer {
				applied(batches)
			}
		}
	}
	return ctx.Err()
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
