package components

import (
	"fmt"
	"testing"
	"time"

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
