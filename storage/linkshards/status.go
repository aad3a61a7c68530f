package linkshards

import (
	"context"
	"sync"

	"snowlink/infra/hashring"
)

// ShardStatus is what an operator wants to know of a shard.
type ShardStatus struct {
	Name    string
	Weight  int
	Slots   int    // of hashring.Slots
	Keys    int64  // all keys of the instance, links or not
	Breaker string // closed, open, half-open
	Err     error  // why Keys is not known
}

// Epoch returns the version of the membership.
func (s *Shards) Epoch() uint64 { return s.ring.Epoch() }

// Status asks every shard, whatever its breaker says, and returns an entry for each in their order.
func (s *Shards) Status(ctx context.Context) []ShardStatus {
	all := make([]ShardStatus, len(s.shards))
	for i, m := range s.ring.Shards() {
		all[i] = ShardStatus{Name: m.Name, Weight: m.Weight, Breaker: s.shards[i].breaker.State().String()}
	}
	for slot := range hashring.Slots {
		all[s.ring.OwnerOfSlot(slot)].Slots++
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.WriteTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, on := range s.shards {
		wg.Go(func() { all[i].Keys, all[i].Err = on.Client.DBSize(ctx).Result() })
	}
	wg.Wait()
	return all
}
