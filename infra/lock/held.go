package lock

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Holding is a name that is held.
type Holding struct {
	Name   string
	Holder string // as it was given; "" if it cannot be told
	Fence  int64
	Since  time.Time     // by the clock of Redis, to the millisecond; a little later if many have held it within one
	Left   time.Duration // until it runs out, unless it is renewed
}

// Held returns those of names that are held, in their order.
func Held(ctx context.Context, client redis.Cmdable, names ...string) ([]Holding, error) {
	values, left := make([]*redis.StringCmd, len(names)), make([]*redis.DurationCmd, len(names))
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			values[i], left[i] = p.Get(ctx, name), p.PTTL(ctx, name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read who holds what: %w", err)
	}
	var held []Holding
	for i, name := range names {
		if value, err := values[i].Result(); err == nil && left[i].Val() > 0 {
			held = append(held, holdingOf(name, value, left[i].Val()))
		}
	}
	return held, nil
}

// holdingOf reads what a lock holds: a token, which begins with the holder, and the fence, which is the time
// of Redis or a little more.
func holdingOf(name, value string, left time.Duration) Holding {
	token, digits, _ := strings.Cut(value, ":")
	holder, _, _ := strings.Cut(token, "~")
	h := Holding{Name: name, Holder: holder, Left: left}
	if fence, err := strconv.ParseInt(digits, 10, 64); err == nil {
		h.Fence, h.Since = fence, time.UnixMilli(fence).UTC()
	}
	return h
}
