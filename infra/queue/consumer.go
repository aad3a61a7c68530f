package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	maxBlock = time.Second // cancelling a context does not interrupt a blocking read
	fromHead = "0-0"
)

// Config describes a consumer. Client, Stream, Group and Name have to be given.
type Config struct {
	Client redis.Cmdable
	Stream string
	Group  string
	Name   string // stable over restarts, and of one consumer at a time

	Batch         int           // entries Receive returns at most, but for those of an earlier life; 16 if 0
	Block         time.Duration // how long Receive waits for new entries, at most 1 s; 1 s if 0
	MinIdle       time.Duration // after which an entry counts as abandoned; longer than work on a batch takes. 30 s if 0
	MaxDeliveries int64         // after which an entry is a dead letter; no limit if 0
	DeadLetter    string        // the stream for those; Stream with ":dead" behind it if ""
	Now           func() time.Time
}

// Consumer is one reader of a group. It is used by one goroutine; Ack may be called by any.
type Consumer struct {
	config Config

	own         string // where to go on in this consumer's own pending entries; "" when past their end
	claim       string // where to go on in everyone's
	nextReclaim time.Time
}

// NewConsumer returns a consumer that starts with what an earlier one of its name left unacknowledged.
func NewConsumer(config Config) *Consumer {
	if config.Batch <= 0 {
		config.Batch = 16
	}
	if config.Block < time.Millisecond || config.Block > maxBlock {
		config.Block = maxBlock // 0 would mean for ever
	}
	if config.MinIdle <= 0 {
		config.MinIdle = 30 * time.Second
	}
	if config.DeadLetter == "" {
		config.DeadLetter = config.Stream + ":dead"
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Consumer{config: config, own: fromHead, claim: fromHead}
}

// Receive returns the next entries to work on: those this consumer did not acknowledge in an earlier
// life, then, now and again, those that were abandoned, then new ones. It returns none and no error when
// none came within Block. A group or stream that is not there is made.
func (c *Consumer) Receive(ctx context.Context) ([]Message, error) {
	messages, err := c.receive(ctx)
	if !isGone(err) {
		return messages, err
	}
	if err := c.makeGroup(ctx); err != nil {
		return nil, err
	}
	c.own, c.claim = fromHead, fromHead
	return c.receive(ctx)
}

func (c *Consumer) receive(ctx context.Context) ([]Message, error) {
	for c.own != "" {
		if messages, err := c.receiveOwn(ctx); err != nil || len(messages) > 0 {
			return messages, err
		}
	}
	for due := !c.config.Now().Before(c.nextReclaim); due; due = c.claim != fromHead {
		if messages, err := c.reclaim(ctx); err != nil || len(messages) > 0 {
			return messages, err
		}
	}
	return c.receiveNew(ctx)
}

// receiveOwn reads on in the entries that were delivered to this consumer and not acknowledged.
func (c *Consumer) receiveOwn(ctx context.Context) ([]Message, error) {
	entries, err := c.read(ctx, c.own, -1)
	if err != nil {
		return nil, fmt.Errorf("read own pending entries of %s: %w", c.config.Stream, err)
	}
	if len(entries) == 0 {
		c.own = ""
		return nil, nil
	}
	messages, err := c.redelivered(ctx, entries)
	if err == nil {
		c.own = entries[len(entries)-1].ID
	}
	return messages, err
}

// reclaim takes over entries that were idle too long, whoever had them. It is due again after half of
// MinIdle, or at once if there may be more.
func (c *Consumer) reclaim(ctx context.Context) ([]Message, error) {
	entries, next, err := c.config.Client.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: c.config.Stream, Group: c.config.Group, Consumer: c.config.Name,
		MinIdle: c.config.MinIdle, Start: c.claim, Count: int64(c.config.Batch),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("reclaim idle entries of %s: %w", c.config.Stream, err)
	}
	messages, err := c.redelivered(ctx, entries)
	if err != nil {
		return nil, err
	}
	c.claim = next
	if next == fromHead {
		c.nextReclaim = c.config.Now().Add(c.config.MinIdle / 2)
	}
	return messages, nil
}

func (c *Consumer) receiveNew(ctx context.Context) ([]Message, error) {
	entries, err := c.read(ctx, ">", c.config.Block)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", c.config.Stream, err)
	}
	messages := make([]Message, len(entries))
	for i, e := range entries {
		messages[i] = message(e, 1)
	}
	return messages, nil
}

// read is XREADGROUP. None within block is no error; a negative block does not wait.
func (c *Consumer) read(ctx context.Context, from string, block time.Duration) ([]redis.XMessage, error) {
	streams, err := c.config.Client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.config.Group, Consumer: c.config.Name,
		Streams: []string{c.config.Stream, from}, Count: int64(c.config.Batch), Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) || err == nil && len(streams) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return streams[0].Messages, nil
}

// redelivered turns entries that this consumer holds pending into messages. Those delivered too often
// become dead letters, and those that are no longer in the stream are acknowledged.
func (c *Consumer) redelivered(ctx context.Context, entries []redis.XMessage) ([]Message, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	counts, err := c.deliveries(ctx, entries)
	if err != nil {
		return nil, err
	}
	var messages []Message
	for _, e := range entries {
		n, pending := counts[e.ID]
		switch {
		case e.Values == nil: // deleted under us
			err = c.Ack(ctx, e.ID)
		case !pending: // acknowledged or taken over meanwhile
		case c.config.MaxDeliveries > 0 && n > c.config.MaxDeliveries:
			err = c.bury(ctx, e.ID)
		default:
			messages = append(messages, message(e, n))
		}
		if err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// deliveries returns how often each of the entries, which are in order, was delivered.
func (c *Consumer) deliveries(ctx context.Context, entries []redis.XMessage) (map[string]int64, error) {
	pending, err := c.config.Client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: c.config.Stream, Group: c.config.Group, Consumer: c.config.Name,
		Start: entries[0].ID, End: entries[len(entries)-1].ID, Count: math.MaxInt32,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("count deliveries of %s: %w", c.config.Stream, err)
	}
	counts := make(map[string]int64, len(pending))
	for _, p := range pending {
		counts[p.ID] = p.RetryCount
	}
	return counts, nil
}

// Ack says that entries are done with: they are not delivered again, and are deleted. Those that are not
// there any more are ignored.
func (c *Consumer) Ack(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := c.config.Client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.XAck(ctx, c.config.Stream, c.config.Group, ids...)
		p.XDel(ctx, c.config.Stream, ids...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("acknowledge %d entries of %s: %w", len(ids), c.config.Stream, err)
	}
	return nil
}

// makeGroup makes the group, and the stream if need be, to be read from the beginning.
func (c *Consumer) makeGroup(ctx context.Context) error {
	err := c.config.Client.XGroupCreateMkStream(ctx, c.config.Stream, c.config.Group, fromHead).Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("make group %s of stream %s: %w", c.config.Group, c.config.Stream, err)
	}
	return nil
}

// isGone says whether Redis answered that the group or the stream is not there, or went while it was waited on.
func isGone(err error) bool {
	return err != nil && (redis.HasErrorPrefix(err, "NOGROUP") || redis.HasErrorPrefix(err, "UNBLOCKED"))
}

func message(e redis.XMessage, deliveries int64) Message {
	m := Message{ID: e.ID, Values: make(map[string]string, len(e.Values)), Deliveries: deliveries}
	for k, v := range e.Values {
		m.Values[k], _ = v.(string)
	}
	return m
}
