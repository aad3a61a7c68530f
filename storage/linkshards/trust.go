package linkshards

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

//go:embed fence.lua
var fenceSource string

var fenceScript = redis.NewScript(fenceSource)

const (
	lookEvery   = time.Second            // how often Run looks at the instances
	lookTimeout = 500 * time.Millisecond // after which an instance that does not answer is given up
	// A membership that shards have known to be out of date for this long is not trusted for reads
	// either: what it takes for the owner of a link may not have been told of its edits. It is less than
	// the time that a move waits for processes to go over to its membership.
	lateFor = 5 * time.Second
)

// Run looks at every shard each second, and as soon as Subscribe hears that something has changed,
// until ctx ends, and returns ctx's error. What it does is Recheck.
func (s *Shards) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.Recheck(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.heard:
		}
	}
	return ctx.Err()
}

// Recheck asks every shard whether its instance is verified, and which epoch it knows: one that knows
// an older one, because it was emptied, is told; of a newer one OnStale is told. The connections to one
// that does not answer are given up: another may take its place before it answers again, and new
// connections ask first who they reach.
func (s *Shards) Recheck(ctx context.Context) {
	if s.fixed {
		return
	}
	v := s.view.Load()
	var late atomic.Bool
	s.onEach(ctx, v, lookTimeout, func(ctx context.Context, _ int, in *instance) error {
		err := in.look(ctx, v.fence(), &late)
		if _, answered := errors.AsType[redis.Error](err); err != nil && !answered && !errors.Is(ctx.Err(), context.Canceled) {
			in.giveUp()
		}
		return err
	})
	if !late.Load() {
		v.late.Store(0)
		return
	}
	v.late.CompareAndSwap(0, time.Now().UnixNano())
	if s.opts.OnStale != nil && s.view.Load() == v {
		s.opts.OnStale()
	}
}

// tooLate reports whether there has been a newer membership for too long.
func (v *view) tooLate() bool {
	since := v.late.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > lateFor
}

// look asks what Recheck wants to know of one instance, and sets late if it knows a newer epoch.
func (in *instance) look(ctx context.Context, epoch uint64, late *atomic.Bool) error {
	var (
		mark, known, owner *redis.StringCmd
		write              *redis.BoolCmd // of what is there already, mostly: it tells whether writes are taken
	)
	_, err := in.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		write = p.SetNX(ctx, epochKey, formatEpoch(epoch), 0)
		mark, known, owner = p.Get(ctx, verifiedKey), p.Get(ctx, epochKey), claim(ctx, p, in.of.opts.Installation)
		return nil
	})
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		return err
	}
	if err := checkOwner(owner.Val(), in.of.opts.Installation); err != nil {
		in.giveUp() // no new connection to it will be made
		return err
	}
	in.mu.Lock()
	in.judge(mark.Val())
	doubted := in.doubted != "" && in.doubted == mark.Val()
	in.mu.Unlock()
	if refused(write.Err()) {
		in.doubt(write.Err())
		return write.Err()
	}
	if doubted { // writes are taken again: the Verifier is to see that some were missed
		if err := dropScript.Run(ctx, in.client, []string{verifiedKey}, mark.Val()).Err(); err != nil {
			return err
		}
	}
	switch {
	case known.Val() == formatEpoch(epoch):
		return nil
	case newer(known.Val(), epoch):
		late.Store(true)
		return nil
	}
	return raise(ctx, in.client, epoch)
}

func raise(ctx context.Context, client redis.Scripter, epoch uint64) error {
	return fenceScript.Run(ctx, client, []string{epochKey}, formatEpoch(epoch)).Err()
}

// ShardError is what went wrong on one shard.
type ShardError struct {
	Shard string
	Err   error
}

// Error names the shard.
func (e *ShardError) Error() string { return "link shard " + e.Shard + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ShardError) Unwrap() error { return e.Err }

// Fence makes an epoch known to every shard, whose writers of older epochs are refused from then on.
// The error joins a *ShardError for each shard that could not be told.
func (s *Shards) Fence(ctx context.Context, epoch uint64) error {
	v := s.view.Load()
	return v.join(s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, _ int, in *instance) error { return raise(ctx, in.client, epoch) }))
}

// Announce tells all who Subscribe that the membership, or the trust in an instance, has changed. The
// error joins a *ShardError for each shard that could not be asked to; one that could may be enough.
func (s *Shards) Announce(ctx context.Context) error {
	v := s.view.Load()
	return v.join(s.onEach(ctx, v, s.opts.WriteTimeout, func(ctx context.Context, _ int, in *instance) error {
		return in.client.Publish(ctx, membersChannel, formatEpoch(v.fence())).Err()
	}))
}

// onEach calls f with the place of every shard at once, whatever its breaker says, and returns the
// error of each.
func (s *Shards) onEach(ctx context.Context, v *view, timeout time.Duration, f func(context.Context, int, *instance) error) []error {
	errs := make([]error, len(v.all))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, m := range v.all {
		wg.Go(func() { errs[i] = m.with(func(in *instance) error { return f(ctx, i, in) }) })
	}
	wg.Wait()
	return errs
}

// join makes one error of those of each shard.
func (v *view) join(errs []error) error {
	var faults []error
	for i, err := range errs {
		if err != nil {
			faults = append(faults, &ShardError{v.all[i].name, err})
		}
	}
	return errors.Join(faults...)
}

// OnInstance calls f with one run of a shard's Redis: whatever f does by it is done to that run, or
// fails. The context that f gets ends when another run is found in its place. The error is NotFound
// if there is no such shard.
func (s *Shards) OnInstance(ctx context.Context, name string, f func(context.Context, *Instance) error) error {
	on := s.view.Load().member(name)
	if on == nil {
		return shortener.Errorf(shortener.NotFound, "there is no shard %q", name)
	}
	err := on.with(func(in *instance) error { // so that the run is known
		ctx, cancel := context.WithTimeout(ctx, s.opts.WriteTimeout)
		defer cancel()
		return in.client.Ping(ctx).Err()
	})
	if err != nil {
		return unavailable(on, "ping", err)
	}
	in := on.enter()
	if in == nil {
		return unavailable(on, "ping", errLeft)
	}
	defer in.exit()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer onClosed(in.ended, func() { cancel(errOtherInstance) })()
	return f(ctx, &Instance{in})
}

// onClosed calls f when the channel is closed, unless it was stopped before.
func onClosed(c <-chan struct{}, f func()) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		select {
		case <-c:
			f()
		case <-stopped:
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}

// Instance is one run of a shard's Redis. Its methods are not guarded by the shard's breaker: they are
// for work in the background, in batches of some hundreds.
type Instance struct{ in *instance }

// batchTimeout bounds a batch.
const batchTimeout = 2 * time.Second

// RunID names the run: Redis draws it at each start. It is "" if the server does not tell, as one that
// is embedded.
func (i *Instance) RunID() string { return i.in.run() }

// Verified reports whether the run was compared with the truth.
func (i *Instance) Verified() bool { return i.in.verified.Load() }

// Behind returns those of the records that are newer than what the instance holds, whoever owns them.
func (i *Instance) Behind(ctx context.Context, records []shortener.Record) ([]shortener.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	return behindOn(ctx, i.in.client, records)
}

// Put writes those of the records of which the instance does not hold a newer version, and announces
// none. It returns how many it wrote. The error is ErrStaleEpoch if the instance knows of a newer
// membership than epoch.
func (i *Instance) Put(ctx context.Context, epoch uint64, records []shortener.Record) (written int, err error) {
	return i.scripted(ctx, putScript, len(records), func(n int) ([]string, []any) {
		w := writing{ref: records[n].Ref, version: records[n].Version, value: shortener.AppendRecord(nil, records[n])}
		return w.keys(), w.args(epoch)
	})
}

// Erase deletes links. It returns how many were there. The error is ErrStaleEpoch if the instance knows
// of a newer membership than epoch.
func (i *Instance) Erase(ctx context.Context, epoch uint64, refs []shortener.Ref) (erased int, err error) {
	return i.scripted(ctx, eraseScript, len(refs), func(n int) ([]string, []any) {
		return []string{linkKey(refs[n]), epochKey}, []any{formatEpoch(epoch)}
	})
}

// scripted runs a script n times in one pipeline, and counts how often it returned 1.
func (i *Instance) scripted(ctx context.Context, script *redis.Script, n int, with func(n int) ([]string, []any)) (ones int, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	results := make([]*redis.Cmd, n)
	run := func() error {
		_, err := i.in.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for at := range n {
				keys, args := with(at)
				results[at] = script.EvalSha(ctx, p, keys, args...)
			}
			return nil
		})
		return err
	}
	if err = run(); redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = script.Load(ctx, i.in.client).Err(); err == nil {
			err = run()
		}
	}
	if err != nil {
		return 0, err
	}
	for _, result := range results {
		switch code, err := result.Int(); {
		case err != nil:
			return ones, fmt.Errorf("a script returned what is no number: %w", err)
		case code == tooLate:
			return ones, ErrStaleEpoch
		case code == 1:
			ones++
		}
	}
	return ones, nil
}

// MarkVerified says that the instance was compared with the truth: all links that its shard owns were
// at least as new there as in the truth at some time after the instance was entered. It counts for this
// process at once; Announce it to the others.
func (i *Instance) MarkVerified(ctx context.Context) error {
	if i.in.fixed {
		return nil
	}
	run := i.in.run()
	if run == "" {
		return errors.New("the instance does not tell which run of Redis it is, so that it cannot be marked: allow its user the command INFO (ACL: +info)")
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	mark := i.in.mark() + rand.Text()
	if err := i.in.client.Set(ctx, verifiedKey, mark, 0).Err(); err != nil {
		return err
	}
	i.in.mu.Lock()
	defer i.in.mu.Unlock()
	i.in.judge(mark)
	return nil
}
