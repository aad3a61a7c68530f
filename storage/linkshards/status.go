package linkshards

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/hashring"
	"snowlink/shortener"
)

// What a shard is in the membership.
const (
	StateMember  = "member"
	StateJoining = "joining" // it gets its first slots by the move under way
	StateLeaving = "leaving" // the move under way takes its slots away
)

// ShardStatus is what an operator wants to know of a shard.
type ShardStatus struct {
	Name     string
	Address  string // without a password; "" for a fixed shard
	State    string // member, joining, leaving
	Weight   int
	Slots    int     // of hashring.Slots that it owns, or will own after the move under way
	Share    float64 // of all slots, 0 to 1
	MovesIn  int     // slots that come to it by the move under way
	MovesOut int
	Breaker  string // of this process: closed, open, half-open

	// What the shard says itself; zero if Err is set.
	Links    int64  // keys that are not known to be something else
	Bytes    int64  // memory of the instance, 0 if it does not tell
	Epoch    uint64 // the newest membership it knows: writes of older ones are refused
	Role     string // master or slave, "" if it does not tell
	RunID    string
	Verified bool
	Err      error
}

// BytesPerLink returns the memory of the instance for each of its links, 0 if that is not known.
func (s ShardStatus) BytesPerLink() float64 {
	if s.Links == 0 {
		return 0
	}
	return float64(s.Bytes) / float64(s.Links)
}

// statusPatience is for an answer to an operator, who would rather wait than not know. A shard that is busy
// with a move answers late.
const statusPatience = 2 * time.Second

// Status asks every shard, whatever its breaker says, and returns an entry for each in their order.
func (s *Shards) Status(ctx context.Context) []ShardStatus {
	v := s.view.Load()
	all := make([]ShardStatus, len(v.all))
	at := make(map[*member]*ShardStatus, len(v.all))
	for i, m := range v.all {
		all[i] = v.statusOf(i)
		at[m] = &all[i]
	}
	v.countSlots(at)
	errs := s.onEach(ctx, v, statusPatience, func(ctx context.Context, i int, in *instance) error { return s.ask(ctx, in, &all[i]) })
	for i, err := range errs {
		all[i].Err = err
	}
	return all
}

// States returns an entry for each shard of what this process knows of it, and asks none: Err is nil, and
// what only the shard can say is zero.
func (s *Shards) States() []ShardStatus {
	v := s.view.Load()
	all := make([]ShardStatus, len(v.all))
	for i, m := range v.all {
		all[i] = v.statusOf(i)
		if in := m.current.Load(); in != nil {
			all[i].Verified, all[i].RunID = in.verified.Load(), in.run()
		}
	}
	return all
}

func (v *view) statusOf(i int) ShardStatus {
	m := v.all[i]
	status := ShardStatus{Name: m.name, State: StateMember, Breaker: m.breaker.State().String()}
	if v.membership.epoch == 0 {
		status.Weight = v.ring.Shards()[i].Weight
		return status
	}
	spec := v.membership.members[i]
	status.Weight, status.Address = spec.Weight, Redact(spec.URL)
	switch {
	case v.membership.Joining(m.name):
		status.State = StateJoining
	case v.membership.Leaving(m.name):
		status.State = StateLeaving
	}
	return status
}

func (v *view) countSlots(at map[*member]*ShardStatus) {
	for slot := range hashring.Slots {
		now := v.now[v.ring.OwnerOfSlot(slot)]
		at[now].Slots++
		at[now].Share = float64(at[now].Slots) / hashring.Slots
		if v.before == nil {
			continue
		}
		if before := v.old[v.before.OwnerOfSlot(slot)]; before != now {
			at[now].MovesIn++
			at[before].MovesOut++
		}
	}
}

// ask fills in what the shard says itself.
func (s *Shards) ask(ctx context.Context, in *instance, status *ShardStatus) error {
	var (
		size, others *redis.IntCmd
		info, epoch  *redis.StringCmd
	)
	_, err := in.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		size, others = p.DBSize(ctx), p.Exists(ctx, s.otherKeys()...)
		info, epoch = p.Info(ctx), p.Get(ctx, epochKey)
		return nil
	})
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		return err
	}
	if size.Err() != nil {
		return size.Err()
	}
	status.Links = size.Val() - others.Val()
	status.Bytes, _ = strconv.ParseInt(infoField(info.Val(), "used_memory"), 10, 64)
	status.Role = infoField(info.Val(), "role")
	status.Epoch, _ = strconv.ParseUint(epoch.Val(), 10, 64)
	status.RunID, status.Verified = in.run(), in.trusted()
	return nil
}

func (s *Shards) otherKeys() []string {
	return append([]string{epochKey, verifiedKey, installationKey}, s.opts.OtherKeys...)
}

// Explanation is where a link is kept, and why.
type Explanation struct {
	Key    string // of the link's record in a shard
	Slot   int
	Owner  string
	Before string // the owner before the move under way; "" if the link does not move
	Epoch  uint64
	Found  []Copy // an entry for each shard, in their order
}

// Copy is what a shard has of a link.
type Copy struct {
	Shard   string
	Version int64 // 0 if it has none
	Err     error // why that is not known
}

// Explain tells where a link is kept, and asks every shard for it.
func (s *Shards) Explain(ctx context.Context, ref shortener.Ref) Explanation {
	v := s.view.Load()
	p := v.place(ref)
	e := Explanation{Key: linkKey(ref), Slot: v.ring.Slot(ref.String()), Owner: p.now.name, Epoch: s.Epoch(), Found: make([]Copy, len(v.all))}
	if p.before != nil {
		e.Before = p.before.name
	}
	errs := s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, i int, in *instance) error {
		prefix, err := in.client.GetRange(ctx, linkKey(ref), 0, shortener.VersionWidth-1).Bytes()
		if err != nil || len(prefix) == 0 {
			return err
		}
		e.Found[i].Version, err = shortener.RecordVersion(prefix)
		return err
	})
	for i, m := range v.all {
		e.Found[i].Shard, e.Found[i].Err = m.name, errs[i]
	}
	return e
}
