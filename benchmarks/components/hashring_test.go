package components

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-rendezvous"
	"github.com/golang/groupcache/consistenthash"

	"snowlink/infra/hashring"
)

// BenchmarkHashringOwner looks up the owners of codes among eight shards.
func BenchmarkHashringOwner(b *testing.B) {
	const shards = 8
	var (
		own   []hashring.Shard
		names []string
	)
	for i := range shards {
		name := fmt.Sprintf("shard-%d", i)
		own, names = append(own, hashring.Shard{Name: name}), append(names, name)
	}
	ring, err := hashring.New(1, own)
	if err != nil {
		b.Fatal(err)
	}
	// 150 points a member, as is usual for a ring; it is the least even of the three.
	points := consistenthash.New(150, func(b []byte) uint32 { return uint32(xxhash.Sum64(b)) })
	points.Add(names...)
	rendezvousHash := rendezvous.New(names, xxhash.Sum64String)

	const n = 1 << 14
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08x", i*2654435761)
	}
	for _, peer := range []struct {
		name  string
		owner func(key string) bool
	}{
		{"snowlink", func(key string) bool { return ring.Owner(key) < shards }},
		{"groupcache", func(key string) bool { return points.Get(key) != "" }},
		{"rendezvous", func(key string) bool { return rendezvousHash.Lookup(key) != "" }},
	} {
		bothWays(b, peer.name, func(start int) func() bool {
			return func() bool { start++; return peer.owner(keys[start%n]) }
		})
	}
}
