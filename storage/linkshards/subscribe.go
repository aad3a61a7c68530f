package linkshards

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// A subscription hears from its shard at least this often: if nothing is announced, it asks for an
// answer. After silence for three times as long the connection counts as dead.
const heartbeat = time.Second

// Listener is told what the shards announce. Each may be nil; they are called from several goroutines.
type Listener struct {
	// Changed is told of each change of a link with the version that it has reached. It may be told
	// more than once.
	Changed func(ref shortener.Ref, version int64)
	// Connected is called whenever the subscription to a shard was established, the first time too:
	// what was announced on it before may have been missed.
	Connected func()
	// Members is called when the membership may have changed: get it and Adopt it.
	Members func()
}

// Subscribe follows the announcements of all shards until ctx ends, and returns ctx's error. When the
// membership changes, it follows the shards that join, and leaves those that are gone.
func (s *Shards) Subscribe(ctx context.Context, l Listener) error {
	var wg sync.WaitGroup
	following := make(map[*member]context.CancelFunc)
	for ctx.Err() == nil {
		v, changed := s.watch()
		for m, stop := range following {
			if !slices.Contains(v.all, m) {
				stop()
				delete(following, m)
			}
		}
		for _, m := range v.all {
			if following[m] == nil {
				ctx, stop := context.WithCancel(ctx)
				following[m] = stop
				wg.Go(func() { s.follow(ctx, m, l) })
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	for _, stop := range following {
		stop()
	}
	wg.Wait()
	return ctx.Err()
}

// follow keeps a subscription to one shard.
func (s *Shards) follow(ctx context.Context, on *member, l Listener) {
	for failures := 0; ctx.Err() == nil; {
		listened, err := s.listen(ctx, on, l)
		if ctx.Err() != nil || errors.Is(err, errLeft) {
			return
		}
		if failures++; listened {
			failures = 1
		}
		wait := backoff(failures)
		s.opts.Logger.Warn("the announcements of a link shard are not heard", "shard", on.name, "error", err, "retry_in", wait)
		pause(ctx, wait)
	}
}

// listen is one subscription, from its establishment to the first error. Of go-redis it uses what
// does not reconnect on its own: each new connection must be told of.
func (s *Shards) listen(ctx context.Context, on *member, l Listener) (listened bool, err error) {
	in := on.enter()
	if in == nil {
		return false, errLeft
	}
	defer in.exit()
	sub := in.client.Subscribe(ctx)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })() // interrupts a receive
	defer onClosed(in.ended, func() { sub.Close() })()     // another instance has taken its place
	if err := sub.Subscribe(ctx, changesChannel, membersChannel); err != nil {
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
		if confirmed, ok := message.(*redis.Subscription); ok {
			if listened = listened || confirmed.Count == 2; confirmed.Count == 2 && l.Connected != nil {
				l.Connected()
			}
		} else if message, ok := message.(*redis.Message); ok {
			s.hear(on, message, l)
		}
	}
}

// hear tells the listener of one announcement.
func (s *Shards) hear(on *member, message *redis.Message, l Listener) {
	if message.Channel == membersChannel {
		select {
		case s.heard <- struct{}{}:
		default: // Run will look anyway
		}
		if l.Members != nil {
			l.Members()
		}
		return
	}
	ref, version, err := parseAnnouncement(message.Payload)
	if err != nil {
		s.opts.Logger.Warn("an announcement cannot be read", "shard", on.name, "error", err)
		return
	}
	if l.Changed != nil {
		l.Changed(ref, version)
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
