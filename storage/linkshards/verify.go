package linkshards

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"snowlink/shortener"
)

// Verifier compares shards that nobody vouches for with the truth, puts what is missing there or out of
// date, and marks them as verified: shards that were emptied, restarted, or taken over by a replica.
//
// Why a mark may be believed: the walk begins after the run of the server is known, and everything is
// said to that run. A link that does not change during the walk is right there when it was met. One that
// changes is put by whoever changes it, or by the projector, which writes to that run or to none: a
// write that went to an earlier run was before the walk, and so was its event.
type Verifier struct {
	shards *Shards
	links  Links
	log    *slog.Logger
	rate   int
}

// NewVerifier returns a verifier that compares up to rate links a second, 100,000 if it is 0. Run it once
// at a time; a second one does no harm.
func NewVerifier(shards *Shards, links Links, rate int, logger *slog.Logger) *Verifier {
	if rate == 0 {
		rate = 100_000
	}
	return &Verifier{shards: shards, links: links, rate: rate, log: logger}
}

// Run looks for shards to verify each second until ctx ends, and returns ctx's error.
func (v *Verifier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	busy := map[string]bool{}
	for ctx.Err() == nil {
		m := v.shards.Membership()
		for _, spec := range m.Members() {
			mu.Lock()
			taken := busy[spec.Name]
			busy[spec.Name] = true
			mu.Unlock()
			if taken {
				continue
			}
			wg.Go(func() {
				if m.Phase() != Copying || !m.Joining(spec.Name) { // the mover sees to that
					v.look(ctx, spec.Name)
				}
				mu.Lock()
				defer mu.Unlock()
				delete(busy, spec.Name)
			})
		}
		pause(ctx, lookEvery)
	}
	return ctx.Err()
}

// look verifies a shard that is not, if it answers.
func (v *Verifier) look(ctx context.Context, name string) {
	began, known := time.Now(), false
	var compared, put int
	err := v.shards.OnInstance(ctx, name, func(ctx context.Context, in *Instance) (err error) {
		if in.Verified() || in.RunID() == "" {
			known = true
			return nil
		}
		v.log.Info("a link shard is compared with the event store", "shard", name, "run", in.RunID())
		if compared, put, err = v.compare(ctx, name, in); err != nil {
			return err
		}
		return in.MarkVerified(ctx)
	})
	switch {
	case known || ctx.Err() != nil:
	case err != nil:
		v.log.Warn("a link shard cannot be compared with the event store", "shard", name, "error", err)
	default:
		v.log.Info("a link shard is verified", "shard", name, "compared", compared, "put", put, "took", time.Since(began).Round(time.Millisecond))
		_ = v.shards.Announce(ctx) // who does not hear of it looks by itself
	}
}

// compare puts those links of a shard into the instance that are newer than what that holds.
func (v *Verifier) compare(ctx context.Context, name string, in *Instance) (compared, put int, err error) {
	pace := newPace(v.rate)
	err = walk(ctx, v.links, func(links []shortener.Record) error {
		m := v.shards.Membership()
		var own []shortener.Record
		for _, r := range links {
			if now, before := m.Owner(r.Ref); now == name || before == name && m.Phase() == Copying {
				own = append(own, r)
			}
		}
		if len(own) == 0 {
			return nil
		}
		behind, err := in.Behind(ctx, own)
		if err == nil && len(behind) > 0 {
			_, err = in.Put(ctx, m.Epoch(), behind)
		}
		compared, put = compared+len(own), put+len(behind)
		pace.did(ctx, len(own))
		return err
	})
	return compared, put, err
}
