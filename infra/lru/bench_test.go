package lru

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkHit(b *testing.B) {
	c, keys := filled(b, 10_000)
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Get(keys[i%len(keys)])
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(len(keys)); pb.Next(); i++ {
				c.Get(keys[i%len(keys)])
			}
		})
	})
	b.Run("parallel on one key", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Get(keys[0])
			}
		})
	})
}

func BenchmarkMiss(b *testing.B) {
	keys := make([]string, 1<<17)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", i)
	}
	for name, ctx := range map[string]context.Context{"with a deadline": b.Context(), "without": context.Background()} {
		b.Run(name, func(b *testing.B) {
			c := New(Config[int]{MaxBytes: 1 << 20, TTL: time.Hour})
			load := value(7)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Load(ctx, keys[i%len(keys)], load)
			}
		})
	}
}

// Hit rates on Zipf 1.01 over 100,000 keys with room for a tenth, alone and when half as many requests
// again are a crawl. They are reported as a metric and kept from falling by TestHitRate.
func BenchmarkHitRate(b *testing.B) {
	for name, crawl := range map[string]bool{"zipf": false, "zipf and crawl": true} {
		b.Run(name, func(b *testing.B) {
			rate := 0.0
			for b.Loop() {
				rate = hitRate(b.Context(), crawl)
			}
			b.ReportMetric(100*rate, "%hits")
		})
	}
}

func TestHitRate(t *testing.T) {
	for name, crawl := range map[string]bool{"zipf": false, "zipf and crawl": true} {
		t.Run(name, func(t *testing.T) {
			got, textbook := hitRate(t.Context(), crawl), textbookHitRate(crawl)
			t.Logf("%.4f of requests hit, %.4f by a textbook LRU", got, textbook)
			if got < textbook+0.02 {
				t.Errorf("got %.4f of requests hit, want %.4f: 0.02 more than a textbook LRU", got, textbook+0.02)
			}
		})
	}
}

const zipfKeys, zipfRequests = 100_000, 400_000

func newZipf() *rand.Zipf { return rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, zipfKeys-1) }

func hitRate(ctx context.Context, crawl bool) float64 {
	zipf, ctx := newZipf(), context.WithoutCancel(ctx)
	c := New(Config[int]{
		MaxBytes: zipfKeys / 10 * overhead[int](), Shards: 8, Size: func(string, int) int { return 0 },
	})
	hits, load := 0, value(1)
	for i := range zipfRequests {
		key := fmt.Sprint(zipf.Uint64())
		if _, state := c.Get(key); state == Fresh {
			hits++
		} else {
			c.Load(ctx, key, load)
		}
		if crawl && i%2 == 0 {
			c.Load(ctx, fmt.Sprint("crawled", i), load)
		}
	}
	return float64(hits) / zipfRequests
}

// textbookHitRate is that of an LRU that moves what is hit to the front and evicts from the back.
func textbookHitRate(crawl bool) float64 {
	zipf, order, at := newZipf(), list.New(), map[uint64]*list.Element{}
	request := func(key uint64) bool {
		if e := at[key]; e != nil {
			order.MoveToFront(e)
			return true
		}
		at[key] = order.PushFront(key)
		if order.Len() > zipfKeys/10 {
			delete(at, order.Remove(order.Back()).(uint64))
		}
		return false
	}
	hits := 0
	for i := range uint64(zipfRequests) {
		if request(zipf.Uint64()) {
			hits++
		}
		if crawl && i%2 == 0 {
			request(zipfKeys + i)
		}
	}
	return float64(hits) / zipfRequests
}

func filled(b *testing.B, n int) (*Cache[int], []string) {
	c := New(Config[int]{TTL: time.Hour})
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", i)
		mustLoad(b, c, keys[i], value(i))
	}
	return c, keys
}
