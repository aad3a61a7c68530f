package linkshards

import (
	"context"
	_ "embed"
	"errors"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

//go:embed put.lua
var putSource string

var putScript = redis.NewScript(putSource)

// Put implements shortener.View: it writes the record unless the shard holds a newer one, and
// announces it. Write and announcement happen together or not at all, so that repeating a Put that
// failed is safe and enough.
func (s *Shards) Put(ctx context.Context, r shortener.Record) error {
	return s.write(ctx, r, changesChannel)
}

// Repair implements shortener.View: it is Put without the announcement.
func (s *Shards) Repair(ctx context.Context, r shortener.Record) error { return s.write(ctx, r, "") }

// write writes the record unless a newer one is there, and announces it on channel if that is not "".
func (s *Shards) write(ctx context.Context, r shortener.Record, channel string) error {
	value := shortener.AppendRecord(make([]byte, 0, 64+len(r.Target)), r)
	return s.call(ctx, s.owner(r.Ref), "put", s.opts.WriteTimeout, func(ctx context.Context, client *redis.Client) (string, error) {
		if r.Version == 1 {
			if settled, err := putFirst(ctx, client, r, value, channel); settled || err != nil {
				return "done", err
			}
		}
		return "done", putScript.Run(ctx, client, []string{linkKey(r.Ref)}, value, channel, announcement(r.Ref, r.Version)).Err()
	})
}

// putFirst writes the first version of a link, which is most of all writes, without Lua: that costs a
// server 5 µs more and the embedded one half a millisecond. It reports whether there is nothing left
// to do.
func putFirst(ctx context.Context, client *redis.Client, r shortener.Record, value []byte, channel string) (settled bool, err error) {
	var found *redis.StringCmd
	_, err = client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.SetArgs(ctx, linkKey(r.Ref), value, redis.SetArgs{Mode: "NX"})
		found = tx.Get(ctx, linkKey(r.Ref))
		if channel != "" {
			tx.Publish(ctx, channel, announcement(r.Ref, r.Version))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // Nil: it was there already
		return false, err
	}
	there, err := found.Bytes()
	if err != nil {
		return false, err
	}
	version, err := shortener.RecordVersion(there)
	return err == nil && version > r.Version || string(there) == string(value), nil
}

// Behind returns those of the records that are newer than what their shards hold. An error names the
// shards that could not be asked; what the others answered is returned with it.
func (s *Shards) Behind(ctx context.Context, records []shortener.Record) ([]shortener.Record, error) {
	byShard := make(map[*member][]shortener.Record)
	for _, r := range records {
		on := s.owner(r.Ref)
		byShard[on] = append(byShard[on], r)
	}
	var (
		behind []shortener.Record
		errs   []error
	)
	for _, on := range s.shards {
		if len(byShard[on]) == 0 {
			continue
		}
		errs = append(errs, s.call(ctx, on, "behind", s.opts.WriteTimeout, func(ctx context.Context, client *redis.Client) (string, error) {
			late, err := behindOn(ctx, client, byShard[on])
			behind = append(behind, late...)
			return "done", err
		}))
	}
	return behind, errors.Join(errs...)
}

func behindOn(ctx context.Context, client *redis.Client, records []shortener.Record) ([]shortener.Record, error) {
	versions := make([]*redis.StringCmd, len(records))
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, r := range records {
			versions[i] = p.GetRange(ctx, linkKey(r.Ref), 0, shortener.VersionWidth-1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var behind []shortener.Record
	for i, r := range records {
		found, err := shortener.RecordVersion([]byte(versions[i].Val()))
		if err != nil || found < r.Version { // an error: there is none
			behind = append(behind, r)
		}
	}
	return behind, nil
}
