package linkshards

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

//go:embed put.lua
var putSource string

//go:embed erase.lua
var eraseSource string

var (
	putScript   = redis.NewScript(putSource)
	eraseScript = redis.NewScript(eraseSource)
)

// tooLate is what scripts return to a writer whose epoch is not the newest.
const tooLate = -2

// Put implements shortener.View: it writes the record unless the shard holds a newer one, and
// announces it. Write and announcement happen together or not at all, so that repeating a Put that
// failed is safe and enough. The error is ErrStaleEpoch if a shard knows of a newer membership.
//
// A link that moves is written to both of its shards, or written to the new one and deleted from the
// old one, according to the phase. That the old one cannot be reached is no error: it may be down, and
// be leaving for that. Get does without it, too.
func (s *Shards) Put(ctx context.Context, r shortener.Record) error {
	return s.write(ctx, r, changesChannel)
}

// Repair implements shortener.View: it is Put without the announcement.
func (s *Shards) Repair(ctx context.Context, r shortener.Record) error { return s.write(ctx, r, "") }

// write writes the record unless a newer one is there, and announces it on channel if that is not "".
func (s *Shards) write(ctx context.Context, r shortener.Record, channel string) error {
	w := writing{ref: r.Ref, version: r.Version, channel: channel}
	w.value = shortener.AppendRecord(make([]byte, 0, 64+len(r.Target)), r)
	for {
		v := s.view.Load()
		err := s.writeIn(ctx, v, w)
		stale := errors.Is(err, ErrStaleEpoch)
		if stale && s.opts.OnStale != nil {
			s.opts.OnStale()
		}
		if (stale || errors.Is(err, errLeft)) && s.view.Load() != v {
			continue // the membership changed under the call
		}
		if err != nil && channel != "" {
			s.announceElsewhere(ctx, v, w)
		}
		return err
	}
}

// announceElsewhere announces a link that its shard did not take: edges hear what any shard announces, and
// must not go on with what they have.
func (s *Shards) announceElsewhere(ctx context.Context, v *view, w writing) {
	own := v.place(w.ref).now
	for _, on := range append(slices.DeleteFunc(slices.Clone(v.all), func(m *member) bool { return m == own }), own) {
		err := s.call(ctx, on, "announce", s.opts.ReadTimeout, func(ctx context.Context, in *instance) (string, error) {
			return "done", in.client.Publish(ctx, w.channel, announcement(w.ref, w.version)).Err()
		})
		if err == nil {
			return
		}
	}
}

// writing is a record on its way to its shards.
type writing struct {
	ref     shortener.Ref
	version int64
	value   []byte
	channel string // of the announcement; "" for none
}

func (s *Shards) writeIn(ctx context.Context, v *view, w writing) error {
	if v.closed {
		return unavailable(v.now[0], "put", errClosed)
	}
	p := v.place(w.ref)
	if p.before == nil {
		return s.writeTo(ctx, p.now, w, v.fence())
	}
	old := make(chan error, 1)
	go func() { // ends with the timeout of the call
		if v.phase == Copying {
			old <- s.writeTo(ctx, p.before, w, v.fence())
		} else {
			old <- s.eraseFrom(ctx, p.before, w.ref, v.fence())
		}
	}()
	err := s.writeTo(ctx, p.now, w, v.fence())
	if oldErr := <-old; err == nil && (errors.Is(oldErr, ErrStaleEpoch) || errors.Is(oldErr, errLeft)) {
		return oldErr
	}
	return err
}

// writeTo writes to one shard.
func (s *Shards) writeTo(ctx context.Context, on *member, w writing, epoch uint64) error {
	return s.fenced(ctx, on, "put", func(ctx context.Context, in *instance) (late bool, err error) {
		if w.version == 1 {
			if settled, late, err := w.putFirst(ctx, in.client, epoch); settled || err != nil {
				return late, err
			}
		}
		code, err := w.put(ctx, in.client, epoch).Int()
		return code == tooLate, err
	})
}

// eraseFrom deletes a link from a shard that it has left.
func (s *Shards) eraseFrom(ctx context.Context, on *member, ref shortener.Ref, epoch uint64) error {
	return s.fenced(ctx, on, "erase", func(ctx context.Context, in *instance) (late bool, err error) {
		code, err := eraseScript.Run(ctx, in.client, []string{linkKey(ref), epochKey}, formatEpoch(epoch)).Int()
		return code == tooLate, err
	})
}

// fenced is call for an operation that the shard refuses if its epoch is late. That is no failure of
// the shard's.
func (s *Shards) fenced(ctx context.Context, on *member, operation string,
	f func(context.Context, *instance) (late bool, err error),
) error {
	var late bool
	err := s.call(ctx, on, operation, s.opts.WriteTimeout, func(ctx context.Context, in *instance) (result string, err error) {
		if late, err = f(ctx, in); late {
			return "stale", err
		}
		return "done", err
	})
	if err == nil && late {
		return shortener.Errorf(shortener.Unavailable, "link shard %s knows of a newer membership", on.name).Wrap(ErrStaleEpoch)
	}
	return err
}

// put writes by the script.
func (w writing) put(ctx context.Context, client redis.Scripter, epoch uint64) *redis.Cmd {
	return putScript.Run(ctx, client, w.keys(), w.args(epoch)...)
}

func (w writing) keys() []string { return []string{linkKey(w.ref), epochKey} }

func (w writing) args(epoch uint64) []any {
	return []any{w.value, w.channel, announcement(w.ref, w.version), formatEpoch(epoch)}
}

func formatEpoch(epoch uint64) string { return strconv.FormatUint(epoch, 10) }

// putFirst writes the first version of a link, which is most of all writes, without Lua: that costs a
// server 5 µs more and the embedded one half a millisecond. It reports whether there is nothing left
// to do. A writer whose epoch turns out to be late takes back what it wrote.
func (w writing) putFirst(ctx context.Context, client *redis.Client, epoch uint64) (settled, late bool, err error) {
	var (
		set          *redis.StatusCmd
		found, known *redis.StringCmd
	)
	_, err = client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		set = tx.SetArgs(ctx, linkKey(w.ref), w.value, redis.SetArgs{Mode: "NX"})
		found = tx.Get(ctx, linkKey(w.ref))
		if epoch > 0 {
			known = tx.Get(ctx, epochKey)
		}
		if w.channel != "" {
			tx.Publish(ctx, w.channel, announcement(w.ref, w.version))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // Nil: it was there already, or no epoch is known
		return false, false, err
	}
	if known != nil && newer(known.Val(), epoch) {
		if set.Err() == nil {
			err = dropScript.Run(ctx, client, []string{linkKey(w.ref)}, w.value).Err()
		} else {
			err = nil
		}
		return true, true, err
	}
	there, err := found.Bytes()
	if err != nil {
		return false, false, err
	}
	version, err := shortener.RecordVersion(there)
	return err == nil && version > w.version || string(there) == string(w.value), false, nil
}

// newer reports whether the epoch that a shard knows is newer than epoch.
func newer(known string, epoch uint64) bool {
	n, err := strconv.ParseUint(known, 10, 64)
	return err == nil && n > epoch
}
