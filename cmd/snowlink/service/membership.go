package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// membershipStore keeps the membership of the link shards for all processes.
type membershipStore interface {
	Membership(ctx context.Context) (epoch uint64, body []byte, err error)
	PutMembership(ctx context.Context, epoch uint64, body []byte) error
}

// memberships are the memberships of the event store, with the addresses that this process is
// configured with: hosts and passwords may change by configuration, members may not.
type memberships struct {
	store      membershipStore
	configured []linkshards.MemberSpec
}

// Newest returns the membership that was kept last.
func (k memberships) Newest(ctx context.Context) (m linkshards.Membership, err error) {
	_, body, err := k.store.Membership(ctx)
	if err != nil || body == nil {
		return m, err
	}
	if err := m.UnmarshalJSON(body); err != nil {
		return m, fmt.Errorf("read the membership of the link shards: %w", err)
	}
	return m.WithAddresses(k.configured), nil
}

// Keep makes m the newest membership, if it follows the one that is.
func (k memberships) Keep(ctx context.Context, m linkshards.Membership) error {
	body, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	return k.store.PutMembership(ctx, m.Epoch(), body)
}

// first returns the newest membership, and makes it of what is configured if there is none.
func (k memberships) first(ctx context.Context, log *slog.Logger) (linkshards.Membership, error) {
	m, err := k.Newest(ctx)
	if err != nil {
		return m, err
	}
	if m.Epoch() > 0 {
		k.compare(m, log)
		return m, nil
	}
	if m, err = linkshards.First(k.configured); err != nil {
		return m, fmt.Errorf("--redis: %w", err)
	}
	if err := k.Keep(ctx, m); shortener.KindOf(err) == shortener.Conflict {
		return k.Newest(ctx) // another process was first
	} else if err != nil {
		return m, err
	}
	return m, nil
}

// compare says what is configured and does not count.
func (k memberships) compare(m linkshards.Membership, log *slog.Logger) {
	name := func(s linkshards.MemberSpec) string { return s.Name }
	kept, configured := names(m.Members(), name), names(k.configured, name)
	if !slices.Equal(kept, configured) {
		log.Warn("--redis names other shards than the membership that is kept, which counts: change it by `snowlink shards add` and `remove`",
			"configured", configured, "kept", kept, "epoch", m.Epoch())
	}
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = name(one)
	}
	slices.Sort(out)
	return out
}

// follower keeps this process on the newest membership.
type follower struct {
	newest func(ctx context.Context) (linkshards.Membership, error)
	adopt  func(linkshards.Membership) error
	log    *slog.Logger
	nudged chan struct{}
	epoch  atomic.Uint64 // gone over to
}

// nudge makes the follower look at once. It does not wait.
func (f *follower) nudge() {
	select {
	case f.nudged <- struct{}{}:
	default:
	}
}

// run looks each second, and when nudged, until ctx ends.
func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for wrong := false; ctx.Err() == nil; {
		if err := f.look(ctx); err != nil && !wrong && ctx.Err() == nil {
			f.log.Warn("the membership of the link shards cannot be asked for; the last one is used", "epoch", f.epoch.Load(), "error", err)
			wrong = true
		} else if err == nil {
			wrong = false
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-f.nudged:
		}
	}
	return ctx.Err()
}

func (f *follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m, err := f.newest(ctx)
	if err != nil {
		return err
	}
	return f.take(m)
}

// take goes over to a membership if it is newer.
func (f *follower) take(m linkshards.Membership) error {
	if m.Epoch() <= f.epoch.Load() {
		return nil
	}
	if err := f.adopt(m); err != nil {
		return errors.Join(fmt.Errorf("go over to epoch %d", m.Epoch()), err)
	}
	f.log.Info("membership of the link shards", "epoch", m.Epoch(), "phase", string(m.Phase()), "members", len(m.Members()))
	f.epoch.Store(m.Epoch())
	return nil
}
