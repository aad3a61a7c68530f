package service

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"snowlink/storage/linkshards"
)

// carriers are the shards as the click pipeline uses them: each carries a stream of clicks and their
// acknowledgements. They follow the membership of the link shards: what is run for a shard begins when
// it joins and ends when it is gone. Batches that were still on its stream then are sent again by the
// edges that wait for their acknowledgement.
type carriers struct {
	installation string
	log          *slog.Logger

	mu   sync.Mutex
	all  []*carrier
	runs []func(ctx context.Context, shard redisShard) error // for each shard
	wg   sync.WaitGroup
	done bool
}

// redisShard is a Redis that streams and acknowledgements go through.
type redisShard struct {
	name   string
	client *redis.Client
}

type carrier struct {
	redisShard
	spec  linkshards.MemberSpec
	owned bool // the client is to be closed
	stop  context.CancelFunc
	ctx   context.Context //nolint:containedctx // the life of what runs for the shard
}

// each has run be run for every shard, now and later, until the shard is gone. It is to return ctx's
// error, or nil.
func (c *carriers) each(run func(ctx context.Context, shard redisShard) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = append(c.runs, run)
	for _, one := range c.all {
		c.start(one, run)
	}
}

// start runs something for a shard. c.mu is held.
func (c *carriers) start(one *carrier, run func(context.Context, redisShard) error) {
	c.wg.Go(func() {
		if err := run(one.ctx, one.redisShard); err != nil && one.ctx.Err() == nil {
			c.log.Error("stopped", "part", "clicks of shard "+one.name, "error", err)
		}
	})
}

// shards returns those that are there now.
func (c *carriers) shards() []redisShard {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]redisShard, len(c.all))
	for i, one := range c.all {
		list[i] = one.redisShard
	}
	return list
}

// fix takes shards that never change, whose clients stay their owner's.
func (c *carriers) fix(shards []linkshards.Shard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range shards {
		c.add(&carrier{redisShard: redisShard{s.Name, s.Client}})
	}
}

// follow goes over to the members of a membership.
func (c *carriers) follow(m linkshards.Membership) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil
	}
	specs := m.Members()
	c.all = slices.DeleteFunc(c.all, func(one *carrier) bool {
		gone := !slices.ContainsFunc(specs, func(s linkshards.MemberSpec) bool { return one.is(s) })
		if gone {
			one.end()
		}
		return gone
	})
	for _, spec := range specs {
		if slices.ContainsFunc(c.all, func(one *carrier) bool { return one.is(spec) }) {
			continue
		}
		member, err := spec.Member()
		if err != nil {
			return fmt.Errorf("shard %s: %w", spec.Name, err)
		}
		client := member.Dial().Client
		client.Options().OnConnect = linkshards.Admit(c.installation)
		c.add(&carrier{redisShard: redisShard{spec.Name, client}, spec: spec, owned: true})
	}
	return nil
}

func (o *carrier) is(s linkshards.MemberSpec) bool { return o.name == s.Name && o.spec.URL == s.URL }

// add begins what is run for a shard. c.mu is held.
func (c *carriers) add(one *carrier) {
	one.ctx, one.stop = context.WithCancel(context.Background())
	c.all = append(c.all, one)
	for _, run := range c.runs {
		c.start(one, run)
	}
}

// end ends what is run for the shard. A client that is closed interrupts what waits for an answer.
func (o *carrier) end() {
	o.stop()
	if o.owned {
		_ = o.client.Close() // whoever uses it sees an error, and the shard's end
	}
}

// Close ends everything and waits for it.
func (c *carriers) Close() error {
	c.mu.Lock()
	c.done = true
	for _, one := range c.all {
		one.stop()
	}
	c.mu.Unlock()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		one.end()
	}
	return nil
}
