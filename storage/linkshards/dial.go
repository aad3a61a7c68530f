package linkshards

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DialOptions returns options of a client for a shard at an address.
func DialOptions(addr string) *redis.Options { return dialing(&redis.Options{Addr: addr}) }

// dialing sets what a shard's client needs, and what the defaults of go-redis get wrong for one:
// deadlines of contexts are obeyed; nothing is sent twice behind the caller's back, who knows whether
// it may be; a dead host is one short dial and not five with pauses; nothing is said on connecting
// that a caller would have to wait for.
func dialing(o *redis.Options) *redis.Options {
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialTimeout = 500 * time.Millisecond
	o.DialerRetries = 1
	o.ReadTimeout = 2 * time.Second
	o.WriteTimeout = 2 * time.Second
	o.PipelinePoolSize = -1 // pipelines are small: they need no connections of their own
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o
}

// failingOver is dialing for a client that finds its server through Sentinel.
func failingOver(o *redis.FailoverOptions) *redis.FailoverOptions {
	like := dialing(&redis.Options{})
	o.ContextTimeoutEnabled, o.MaxRetries = like.ContextTimeoutEnabled, like.MaxRetries
	o.DialTimeout, o.DialerRetries = like.DialTimeout, like.DialerRetries
	o.ReadTimeout, o.WriteTimeout = like.ReadTimeout, like.WriteTimeout
	o.PipelinePoolSize, o.DisableIdentity = like.PipelinePoolSize, like.DisableIdentity
	return o
}

// LogClients sends what go-redis says of its connections to a logger, at level debug: it is one line a
// failed dial, and callers are told of each anyway. It is for the whole process, to be called before
// the first client is made.
func LogClients(logger *slog.Logger) { redis.SetLogger(clientLog{logger}) }

type clientLog struct{ logger *slog.Logger }

func (l clientLog) Printf(ctx context.Context, format string, args ...any) {
	if l.logger.Enabled(ctx, slog.LevelDebug) {
		l.logger.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, args...))
	}
}
