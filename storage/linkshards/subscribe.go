package linkshards

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// A subscription hears from its shard at least this often: if nothing is announced, it asks for an
// answer. After silence for three times as long the connection counts as dead.
const heartbeat = time.Second

// Subscribe follows the announcements of all shards until ctx ends, and returns ctx's error. onChange
// is told of each change with the version that the link has reached; it may be told more than once.
// onReconnect is called whenever the subscription to a shard was established, the first time too: what
// was announced on it before may have been missed. Both are called from several goroutines.
func (s *Shards) Subscribe(ctx context.Context, onChange func(ref shortener.Ref, version int64), onReconnect func()) error {
	var wg sync.WaitGroup
	for _, on := range s.shards {
		wg.Go(func() { s.follow(ctx, on, onChange, onReconnect) })
	}
	wg.Wait()
	return ctx.Err()
}

// follow keeps a subscription to one shard.
func (s *Shards) follow(ctx context.Context, on *member, onChange func(shortener.Ref, int64), onReconnect func()) {
	for failures := 0; ctx.Err() == nil; {
		listened, err := s.listen(ctx, on, onChange, onReconnect)
		if ctx.Err() != nil {
			return
		}
		if failures++; listened {
			failures = 1
		}
		wait := backoff(failures)
		s.opts.Logger.Warn("the announcements of a link shard are not heard", "shard", on.Name, "error", err, "retry_in", wait)
		pause(ctx, wait)
	}
}

// listen is one subscription, from its establishment to the first error. Of go-redis it uses what
// does not reconnect on its own: each new connection must be told of.
func (s *Shards) listen(ctx context.Context, on *member, onChange func(shortener.Ref, int64), onReconnect func()) (listened bool, err error) {
	sub := on.Client.Subscribe(ctx)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })() // interrupts a receive
	if err := sub.Subscribe(ctx, changesChannel); err != nil {
		return false, fmt.Errorf("subscribe: %w", err)
	}
	for silence := 0; ; {
		message, err := sub.ReceiveTimeout(ctx, heartbeat)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && silence < 3 {
			if silence++; listened {
				err = sub.Ping(ctx)
			} else {
				err = nil
			}
			if err != nil {
				return listened, fmt.Errorf("ping: %w", err)
			}
			continue
		}
		if err != nil {
			return listened, fmt.Errorf("receive: %w", err)
		}
		silence = 0
		switch message := message.(type) {
		case *redis.Subscription:
			listened = true
			onReconnect()
		case *redis.Message:
			ref, version, err := parseAnnouncement(message.Payload)
			if err != nil {
				s.opts.Logger.Warn("an announcement cannot be read", "shard", on.Name, "error", err)
				continue
			}
			onChange(ref, version)
		}
	}
}

// backoff returns how long to wait after so many failures in a row: 100 ms and double that each time,
// up to 5 s, give or take a quarter, so that many who lost one server do not return as one.
func backoff(failures int) time.Duration {
	full := min(100*time.Millisecond<<min(failures-1, 10), 5*time.Second)
	return full*3/4 + rand.N(full/2)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
