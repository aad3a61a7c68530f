package linkshards_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// BenchmarkGetByMany is Get beside what it could be made of: a pooled GET for each read, and go-redis's
// AutoPipeline. What counts is cpu-ns/op, the CPU of this process for a read; the server is another.
func BenchmarkGetByMany(b *testing.B) {
	server := startRedis(b)
	s := open(b, mustFirst(b, server.spec("a")), linkshards.Options{ReadTimeout: time.Second})
	verify(b, s, "a")
	refs := make([]shortener.Ref, 1000)
	for i := range refs {
		refs[i] = shortener.Ref{Code: fmt.Sprintf("abcd%04d", i)}
		mustPut(b, s, shortener.Record{Ref: refs[i], Version: 1, RedirectStatus: 302, Target: "https://example.com/" + strings.Repeat("x", 40)})
	}
	options := linkshards.DialOptions(server.client(b).Options().Addr)
	plain := redis.NewClient(options)
	defer plain.Close()
	options.PipelinePoolSize = 2
	client := redis.NewClient(options)
	defer client.Close()
	auto, err := client.AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	get := func(client redis.Cmdable) func(context.Context, shortener.Ref) error {
		return func(ctx context.Context, ref shortener.Ref) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			raw, err := client.Get(ctx, "l:"+ref.Code).Bytes()
			if err == nil {
				_, err = shortener.DecodeRecord(raw)
			}
			return err
		}
	}
	for _, way := range []struct {
		name string
		get  func(context.Context, shortener.Ref) error
	}{
		{"Get", func(ctx context.Context, ref shortener.Ref) error { _, err := s.Get(ctx, ref); return err }},
		{"pooled", get(plain)},
		{"AutoPipeline", get(auto)},
	} {
		for _, callers := range []int{1, 16, 128} {
			b.Run(fmt.Sprintf("%s/%d", way.name, callers), func(b *testing.B) {
				readMany(b, callers, func(i int) error { return way.get(b.Context(), refs[i%len(refs)]) })
			})
		}
	}
}

// readMany shares b.N reads among callers.
func readMany(b *testing.B, callers int, read func(i int) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	begun := cpuTime()
	b.ResetTimer()
	for caller := range callers {
		wg.Go(func() {
			for i := caller; left.Add(-1) >= 0; i++ {
				if err := read(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-begun)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
