package postgres_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest/postgrestest"
)

// creation returns the commit that makes the n-th link. Codes come in no order, as generated ones do.
func creation(n int64) shortener.Commit {
	ref := shortener.Ref{Code: strconv.FormatUint(uint64(n)*0x9e3779b97f4a7c15, 36)}
	data, _ := json.Marshal(shortener.Content{
		ID: strconv.FormatInt(n, 10), Target: fmt.Sprintf("https://example.com/articles/%d?ref=newsletter", n), RedirectStatus: 302,
	})
	e := shortener.Event{
		ID: fmt.Sprintf("ev%d", n), Ref: ref, Version: 1, Type: shortener.LinkCreated,
		At: time.UnixMilli(1.7e12 + n).UTC(), Actor: "key_0123456789ab", Data: data,
	}
	after, err := shortener.Link{}.Apply(e)
	if err != nil {
		panic(err)
	}
	return shortener.Commit{Ref: ref, Events: []shortener.Event{e}, After: after}
}

// BenchmarkAppend makes links durably: the server waits for its disk.
func BenchmarkAppend(b *testing.B) {
	server := postgrestest.Start(b, "fsync = on", "full_page_writes = on")
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			var groups, n atomic.Int64
			store := openAt(b, server.Schema(b), postgres.Options{Observe: func(int, time.Duration, error) { groups.Add(1) }})
			defer store.Close()
			b.SetParallelism(max(1, writers/2)) // times GOMAXPROCS, which is 2 where this is compared
			appendNext := func() {
				if _, _, err := store.Append(b.Context(), creation(n.Add(1))); err != nil {
					b.Error(err)
				}
			}
			if writers == 1 {
				for b.Loop() {
					appendNext()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					appendNext()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(float64(b.N)/float64(groups.Load()), "appends/group")
		})
	}
}

func BenchmarkLink(b *testing.B) {
	store := openAt(b, postgrestest.Shared(b).Schema(b), postgres.Options{})
	defer store.Close()
	c := creation(1)
	if _, _, err := store.Append(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := store.Link(b.Context(), c.Ref); err != nil {
			b.Fatal(err)
		}
	}
}
