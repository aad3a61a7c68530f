package components

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"snowlink/infra/ratelimit"
)

// BenchmarkRateLimit asks for a token of one of 1,000 keys that never run out. x/time/rate limits one
// key; it stands here behind the map of keys that it needs, though without
// a lock around that, which flatters it.
func BenchmarkRateLimit(b *testing.B) {
	const (
		keys  = 1000
		limit = 1e9
	)
	own := ratelimit.NewLocal(ratelimit.Limit{Rate: limit, Burst: limit}, 4*keys, nil)
	limiters := map[string]*rate.Limiter{}
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("key-%06d", i)
		limiters[names[i]] = rate.NewLimiter(limit, limit)
	}
	for _, peer := range []struct {
		name  string
		allow func(key string) bool
	}{
		{"snowlink", func(key string) bool { return own.Allow(key, 1).Allowed }},
		{"x-time-rate", func(key string) bool { return limiters[key].AllowN(time.Now(), 1) }},
	} {
		bothWays(b, peer.name, func(start int) func() bool {
			return func() bool { start++; return peer.allow(names[start%keys]) }
		})
	}
}

// BenchmarkSharedRateLimit asks a real Redis, over TCP on this machine, for a token of one of 1,000 keys that
// never run out, and of one that has run out.
func BenchmarkSharedRateLimit(b *testing.B) {
	const (
		keys   = 1000
		second = 100_000
		burst  = 1e9
	)
	client := startRedis(b)
	shared := ratelimit.NewShared(client, ratelimit.SharedConfig{Prefix: "snowlink:", Deadline: 10 * time.Second})
	full := shared.Limit("full", ratelimit.Limit{Rate: second, Burst: burst}, ratelimit.Closed)
	empty := shared.Limit("empty", ratelimit.Limit{Rate: 1e-3, Burst: 1}, ratelimit.Closed)
	theirs := redis_rate.NewLimiter(client)
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("key-%06d", i)
	}
	ctx := context.Background()
	their := func(key string, limit redis_rate.Limit) bool {
		r, err := theirs.Allow(ctx, key, limit)
		return err == nil && r.Allowed > 0
	}
	for _, peer := range []struct {
		name          string
		full, flooded func(key string) bool
	}{
		{
			"snowlink",
			func(key string) bool { return full.Allow(ctx, key, 1).Allowed },
			func(key string) bool { return !empty.Allow(ctx, key, 1).Allowed },
		},
		{
			"redis_rate",
			func(key string) bool {
				return their(key, redis_rate.Limit{Rate: second, Burst: burst, Period: time.Second})
			},
			func(key string) bool {
				return !their("empty"+key, redis_rate.Limit{Rate: 1, Burst: 1, Period: 1000 * time.Second})
			},
		},
	} {
		bothWays(b, "allowed/"+peer.name, func(start int) func() bool {
			return func() bool { start++; return peer.full(names[start%keys]) }
		})
		peer.flooded("flooder") // spends the one token
		bothWays(b, "refused/"+peer.name, func(int) func() bool {
			return func() bool { return peer.flooded("flooder") }
		})
	}
}

// startRedis runs a redis-server for the time of a benchmark.
func startRedis(b *testing.B) *redis.Client {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", b.TempDir())
	if err := cmd.Start(); err != nil {
		b.Fatalf("start redis-server (apt-get install redis-server): %v", err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, MaxRetries: -1, ContextTimeoutEnabled: true})
	b.Cleanup(func() { _ = client.Close() })
	for deadline := time.Now().Add(10 * time.Second); client.Ping(b.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("redis-server does not answer")
		}
	}
	return client
}
