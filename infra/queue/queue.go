// Package queue is a work queue on Redis Streams: producers publish entries, the consumers of a group
// share them, and an entry that was not acknowledged is delivered again.
//
// What it promises:
//
//   - Delivery is at least once. An entry is delivered again to its consumer after a restart under the same
//     name, and to any consumer of the group once it was idle for MinIdle. Whoever must count once
//     needs a key of their own in the entry.
//   - An entry delivered more than MaxDeliveries times moves to the dead-letter stream in one step: it
//     is in the one or in the other, never in both or neither.
//   - Nothing unread is trimmed. A queue at its cap refuses (ErrFull); acknowledged entries are deleted.
//   - A Redis that comes back empty costs the entries it held, and nothing else: the group is made again
//     and reads the stream from its beginning.
//   - Errors of Redis are returned. Backing off is the caller's.
//
// Redis may lose any entry. Where that matters, the acknowledgement has to reach the producer by another way.
// The stream and its dead letters are touched by one script, so both have to be on the same node.
package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ErrFull means that the stream is at its cap and the entry was not published.
var ErrFull = errors.New("queue: full")

// Producer publishes entries. The zero value does so without a cap.
type Producer struct {
	// MaxLen is the cap of a stream, in entries not yet acknowledged. The length is looked at before the
	// entry is added: producers that publish at once may together go over it by one each. 0 is no cap.
	MaxLen int64
}

// Publish appends an entry to stream. The error is ErrFull, or that of Redis; after the latter the entry
// may be in the stream all the same.
func (p Producer) Publish(ctx context.Context, client redis.Cmdable, stream string, fields map[string]any) error {
	if p.MaxLen > 0 {
		n, err := client.XLen(ctx, stream).Result()
		if err != nil {
			return fmt.Errorf("length of stream %s: %w", stream, err)
		}
		if n >= p.MaxLen {
			return fmt.Errorf("%w: %s holds %d entries", ErrFull, stream, n)
		}
	}
	if err := client.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: fields}).Err(); err != nil {
		return fmt.Errorf("publish to stream %s: %w", stream, err)
	}
	return nil
}

// Message is an entry of a stream.
type Message struct {
	ID         string
	Values     map[string]string
	Deliveries int64 // how often it was delivered, this time included
}
