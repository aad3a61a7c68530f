package linkshards

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A batcher reads values from one instance. A read that finds no command under way is sent at once;
// those that come while there is one wait for it to come back, and go together. So a
// lone read waits for nobody, and a server is asked the more cheaply the more it is asked: what a read
// costs this process is mostly the round trip, which many share.
//
// The reply to a command holds as many values as were asked for, in their order, and each record holds
// its own ref, which Get compares: a reply that came out of order would be found out.
type batcher struct {
	client  *redis.Client
	timeout time.Duration // of one command

	mu     sync.Mutex
	flying int
	queue  []*read
}

// read is one value that is asked for. It belongs to the batch until done is sent to, and to who asked
// after that.
type read struct {
	key   string
	value string
	found bool
	err   error
	done  chan struct{}
}

// One command at a time. Two would keep a server on another machine busier, and cost a twentieth more
// for each read, since they make smaller batches.
const maxFlying = 1

// maxBatch bounds a command: its reply is read while others wait.
const maxBatch = 256

// get returns the value of a key, and whether there is one.
func (b *batcher) get(ctx context.Context, key string) (value string, found bool, err error) {
	r := &read{key: key}
	b.mu.Lock()
	if b.flying < maxFlying {
		b.flying++
		b.mu.Unlock()
		b.fly(ctx, []*read{r})
		b.land()
		return r.value, r.found, r.err
	}
	r.done = make(chan struct{}, 1)
	b.queue = append(b.queue, r)
	b.mu.Unlock()
	select {
	case <-r.done:
		return r.value, r.found, r.err
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

// land lets those go who came during a flight.
func (b *batcher) land() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.flying--
		return
	}
	go b.flyOn() // ends when nobody waits, each of its commands after the timeout at the latest
}

func (b *batcher) flyOn() {
	for {
		b.mu.Lock()
		batch := b.queue
		if len(batch) == 0 {
			b.flying--
			b.mu.Unlock()
			return
		}
		n := min(len(batch), maxBatch)
		b.queue = batch[n:]
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
		b.fly(ctx, batch[:n])
		cancel()
		for _, r := range batch[:n] {
			r.done <- struct{}{}
		}
	}
}

// fly asks for all of the batch.
func (b *batcher) fly(ctx context.Context, batch []*read) {
	args := make([]string, len(batch))
	for i, r := range batch {
		args[i] = r.key
	}
	values, err := b.client.MGet(ctx, args...).Result()
	for i, r := range batch {
		if r.err = err; err == nil {
			r.value, r.found = values[i].(string)
		}
	}
}
