package linkshards

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// Behind returns those of the records that are newer than what their shards hold. An error names the
// shards that could not be asked; what the others answered is returned with it.
func (s *Shards) Behind(ctx context.Context, records []shortener.Record) ([]shortener.Record, error) {
	v := s.view.Load()
	byShard := make(map[*member][]shortener.Record)
	for _, r := range records {
		on := v.place(r.Ref).now
		byShard[on] = append(byShard[on], r)
	}
	var (
		behind []shortener.Record
		errs   []error
	)
	for _, on := range v.all {
		if len(byShard[on]) == 0 {
			continue
		}
		errs = append(errs, s.call(ctx, on, "behind", s.opts.WriteTimeout, func(ctx context.Context, in *instance) (string, error) {
			late, err := behindOn(ctx, in.client, byShard[on])
			behind = append(behind, late...)
			return "done", err
		}))
	}
	return behind, errors.Join(errs...)
}

func behindOn(ctx context.Context, client redis.Cmdable, records []shortener.Record) ([]shortener.Record, error) {
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
