package components

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/maypok86/otter/v2"

	"snowlink/infra/lru"
)

// BenchmarkLRUHit reads one of 10,000 entries that are all there and expire in an hour.
func BenchmarkLRUHit(b *testing.B) {
	const entries = 10_000
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", i)
	}
	own := lru.New(lru.Config[int]{MaxBytes: 64 << 20, TTL: time.Hour})
	hashicorp := expirable.NewLRU[string, int](2*entries, nil, time.Hour)
	otters := otter.Must(&otter.Options[string, int]{
		MaximumSize: 2 * entries, ExpiryCalculator: otter.ExpiryWriting[string, int](time.Hour),
	})
	ristrettos, err := ristretto.NewCache(&ristretto.Config[string, int]{NumCounters: 20 * entries, MaxCost: 2 * entries, BufferItems: 64, IgnoreInternalCost: true})
	if err != nil {
		b.Fatal(err)
	}
	defer ristrettos.Close()
	for i, key := range keys {
		if _, _, err := own.Load(b.Context(), key, holds(i)); err != nil {
			b.Fatal(err)
		}
		hashicorp.Add(key, i)
		otters.Set(key, i)
		ristrettos.SetWithTTL(key, i, 1, time.Hour)
		ristrettos.Wait() // it drops what it is given too fast
	}

	for _, peer := range []struct {
		name string
		get  func(key string) bool
	}{
		{"snowlink", func(key string) bool { _, state := own.Get(key); return state == lru.Fresh }},
		{"golang-lru", func(key string) bool { _, ok := hashicorp.Get(key); return ok }},
		{"otter", func(key string) bool { _, ok := otters.GetIfPresent(key); return ok }},
		{"ristretto", func(key string) bool { _, ok := ristrettos.Get(key); return ok }},
	} {
		bothWays(b, peer.name, func(start int) func() bool {
			return func() bool { start++; return peer.get(keys[start%entries]) }
		})
	}
}

// bothWays measures what begin returns, alone and on all cores. The function that begin returns is not
// shared; the argument is where it may begin. A result of false is a fault.
func bothWays(b *testing.B, name string, begin func(start int) func() bool) {
	b.Run(name+"/serial", func(b *testing.B) {
		one := begin(0)
		b.ReportAllocs()
		for b.Loop() {
			if !one() {
				b.Fatal("not what it should be")
			}
		}
	})
	b.Run(name+"/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			one := begin(rand.IntN(1 << 20))
			for pb.Next() {
				if !one() {
					b.Error("not what it should be")
					return
				}
			}
		})
	})
}

// holds returns a loader of one value.
func holds(v int) func(context.Context) (int, time.Duration, error) {
	return func(context.Context) (int, time.Duration, error) { return v, 0, nil }
}
