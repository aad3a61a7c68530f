package linkshards

import (
	"context"
	_ "embed"
	"errors"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// ErrMiss says that the shard answered and does not hold the link. It says nothing of whether there is
// such a link: ask the truth.
var ErrMiss = errors.New("the link shard does not hold the link")

// ErrUnverified comes with a record that may be out of date: use it only if the truth cannot be asked.
var ErrUnverified = errors.New("what the link shard holds may be out of date")

//go:embed drop.lua
var dropSource string

var dropScript = redis.NewScript(dropSource)

// Get returns the record of a link. The error is ErrMiss if the shards do not hold it, or hold what is
// not a record of this link; ErrUnverified comes with a record; any other error means that the shard
// could not be asked.
//
// While the link moves both of its shards are asked, and the higher version counts: one of them may
// have missed a write, or may have kept a copy from when it owned the link before. If only one of them
// answers, what it has is unverified for the same reasons.
func (s *Shards) Get(ctx context.Context, ref shortener.Ref) (shortener.Record, error) {
	for {
		v := s.view.Load()
		found, err := s.find(ctx, v, ref)
		switch {
		case errors.Is(err, errLeft) && s.view.Load() != v:
			continue // the membership changed under the call
		case err != nil:
			return shortener.Record{}, err
		case !found.is:
			return shortener.Record{}, ErrMiss
		case !found.trusted:
			return found.record, ErrUnverified
		}
		return found.record, nil
	}
}

// finding is what a shard has of a link.
type finding struct {
	record  shortener.Record
	is      bool
	trusted bool
}

func (s *Shards) find(ctx context.Context, v *view, ref shortener.Ref) (finding, error) {
	if v.closed {
		return finding{}, unavailable(v.now[0], "get", errClosed)
	}
	p := v.place(ref)
	if p.before == nil || v.phase != Copying {
		found, err := s.findOn(ctx, p.now, ref)
		found.trusted = found.trusted && !s.tooLate(v)
		return found, err
	}
	type answer struct {
		finding
		err error
	}
	old := make(chan answer, 1)
	go func() { // ends with the timeout of the call
		found, err := s.findOn(ctx, p.before, ref)
		old <- answer{found, err}
	}()
	now, err := s.findOn(ctx, p.now, ref)
	before := <-old
	if err != nil && before.err != nil {
		return finding{}, errors.Join(err, before.err)
	}
	found := now
	if before.is && (!now.is || before.record.Version > now.record.Version || before.record.Version == now.record.Version && before.trusted) {
		found = before.finding
	}
	found.trusted = found.trusted && err == nil && before.err == nil && !s.tooLate(v)
	return found, nil
}

// findOn asks one shard.
func (s *Shards) findOn(ctx context.Context, on *member, ref shortener.Ref) (found finding, err error) {
	err = s.call(ctx, on, "get", s.opts.ReadTimeout, func(ctx context.Context, in *instance) (string, error) {
		found = finding{}
		raw, is, err := in.reads.get(ctx, linkKey(ref))
		if err != nil {
			return "", err
		} else if !is {
			return "miss", nil
		}
		if found.record, err = shortener.DecodeRecord([]byte(raw)); err != nil {
			s.opts.Logger.Warn("a link shard holds what cannot be read", "shard", on.name, "error", err)
			return "wrong", nil // the shard did answer: whoever asked goes to the truth
		}
		if found.record.Ref != ref {
			s.drop(ctx, in, ref, found.record, raw)
			return "wrong", nil
		}
		found.is, found.trusted = true, in.trusted()
		if !found.trusted {
			return "unverified", nil
		}
		return "hit", nil
	})
	return found, err
}

// drop removes another link's record from a link's key: its version would keep the right one out. What
// cannot be read at all stays; it may be of a newer program's making.
func (s *Shards) drop(ctx context.Context, in *instance, ref shortener.Ref, found shortener.Record, raw string) {
	err := dropScript.Run(ctx, in.client, []string{linkKey(ref)}, raw).Err()
	s.opts.Logger.Error("a link shard answered with another link's record; it is not used",
		"shard", in.of.name, "asked", ref.String(), "answered", found.Ref.String(), "drop_error", err)
}
