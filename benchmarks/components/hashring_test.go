package components

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-rendezvous"
	"github.com/golang/groupcache/consistenthash"
	"github.com/lithammer/go-jump-consistent-hash"
	ketama "github.com/serialx/hashring"

	"snowlink/infra/hashring"
)

const ringKeys = 1 << 14

func ringKey(i int) string { return fmt.Sprintf("%08x", i*2654435761) }

// A chooser is a way to spread keys over shards that are named.
type chooser struct {
	name string
	of   func(names []string) (owner func(key string) string)
}

var choosers = []chooser{
	{"snowlink", func(names []string) func(string) string {
		var shards []hashring.Shard
		for _, name := range names {
			shards = append(shards, hashring.Shard{Name: name})
		}
		ring, err := hashring.New(1, shards)
		if err != nil {
			panic(err)
		}
		return func(key string) string { return names[ring.Owner(key)] }
	}},
	{"rendezvous", func(names []string) func(string) string {
		return rendezvous.New(names, xxhash.Sum64String).Lookup
	}},
	{"ketama", func(names []string) func(string) string { // 160 points a shard, as is usual: a node has as many as its weight
		points := map[string]int{}
		for _, name := range names {
			points[name] = 160
		}
		ring := ketama.NewWithWeights(points)
		return func(key string) string { name, _ := ring.GetNode(key); return name }
	}},
	{"jump", func(names []string) func(string) string { // its shards are numbers: only the last can leave, and none has a weight
		return func(key string) string { return names[jump.Hash(xxhash.Sum64String(key), int32(len(names)))] }
	}},
	{"groupcache", func(names []string) func(string) string { // 150 points a shard, as is usual
		points := consistenthash.New(150, func(b []byte) uint32 { return uint32(xxhash.Sum64(b)) })
		points.Add(names...)
		return points.Get
	}},
}

func shardNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("shard-%d", i))
	}
	return names
}

// BenchmarkHashringOwner looks up the owners of codes.
func BenchmarkHashringOwner(b *testing.B) {
	keys := make([]string, ringKeys)
	for i := range keys {
		keys[i] = ringKey(i)
	}
	for _, shards := range []int{3, 8, 64} {
		names := shardNames(shards)
		for _, c := range choosers {
			owner := c.of(names)
			b.Run(fmt.Sprintf("%s/%d", c.name, shards), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if owner(keys[i%ringKeys]) == "" {
						b.Fatal("a key without a shard")
					}
				}
			})
		}
	}
}

// BenchmarkHashringBalance tells how evenly a million keys are spread, and how many move when a shard joins
// eight: a ninth of them would have to.
func BenchmarkHashringBalance(b *testing.B) {
	const keys = 1_000_000
	for _, c := range choosers {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				before, after := c.of(shardNames(8)), c.of(shardNames(9))
				if c.name == "snowlink" {
					after = changed(shardNames(8), shardNames(9))
				}
				counts, moved := map[string]int{}, 0
				for i := range keys {
					key := fmt.Sprintf("%08x", i*2654435761)
					one := before(key)
					counts[one]++
					if after(key) != one {
						moved++
					}
				}
				most := 0
				for _, n := range counts {
					most = max(most, n)
				}
				b.ReportMetric(float64(most)*8/keys, "max/mean")
				b.ReportMetric(float64(moved)/keys*9, "moved/least")
			}
		})
	}
}

// changed is our ring of some shards, after it was changed to others.
func changed(from, to []string) func(string) string {
	shards := func(names []string) (all []hashring.Shard) {
		for _, name := range names {
			all = append(all, hashring.Shard{Name: name})
		}
		return all
	}
	ring, err := hashring.New(1, shards(from))
	if err == nil {
		ring, err = ring.Change(2, shards(to))
	}
	if err != nil {
		panic(err)
	}
	return func(key string) string { return to[ring.Owner(key)] }
}
