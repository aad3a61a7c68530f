package linkshards

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

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
