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

//go:embed drop.lua
var dropSource string

var dropScript = redis.NewScript(dropSource)

// Get returns the record of a link. The error is ErrMiss if the shard does not hold it, or holds what
// is not a record of this link; any other error means that the shard could not be asked.
func (s *Shards) Get(ctx context.Context, ref shortener.Ref) (record shortener.Record, err error) {
	on, found := s.owner(ref), false
	err = s.call(ctx, on, "get", s.opts.ReadTimeout, func(ctx context.Context, client *redis.Client) (string, error) {
		raw, err := client.Get(ctx, linkKey(ref)).Bytes()
		if errors.Is(err, redis.Nil) {
			return "miss", nil
		} else if err != nil {
			return "", err
		}
		if record, err = shortener.DecodeRecord(raw); err != nil {
			s.opts.Logger.Warn("a link shard holds what cannot be read", "shard", on.Name, "error", err)
			return "wrong", nil // the shard did answer: whoever asked goes to the truth
		}
		if record.Ref != ref {
			s.drop(ctx, on, ref, record, raw)
			return "wrong", nil
		}
		found = true
		return "hit", nil
	})
	switch {
	case err != nil:
		return shortener.Record{}, err
	case !found:
		return shortener.Record{}, ErrMiss
	}
	return record, nil
}

// drop removes another link's record from a link's key: its version would keep the right one out. What
// cannot be read at all stays; it may be of a newer program's making.
func (s *Shards) drop(ctx context.Context, on *member, ref shortener.Ref, found shortener.Record, raw []byte) {
	err := dropScript.Run(ctx, on.Client, []string{linkKey(ref)}, raw).Err()
	s.opts.Logger.Error("a link shard answered with another link's record; it is not used",
		"shard", on.Name, "asked", ref.String(), "answered", found.Ref.String(), "drop_error", err)
}
