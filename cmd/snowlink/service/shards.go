package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/cmd/snowlink/config"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
	"snowlink/storage/linkshards/embedded"
)

// ownerMark is the key by which a shard knows the installation it belongs to. Two installations on one
// shard would overwrite each other's links.
const ownerMark = "snowlink:installation"

// shardSet are the Redis instances of the service: the link shards, which carry click streams too, and
// the coordination instance. The latter is embedded for as long as one process plays all roles: what it
// holds, leases and the registry, ends with the process, and so do those who hold it.
type shardSet struct {
	links        *linkshards.Shards
	redis        []redisShard
	coordination *redis.Client
	volatile     bool // the shards are empty at each start
	closers      []func() error
}

func openShards(ctx context.Context, cfg config.Config, installation string, log *slog.Logger) (s *shardSet, err error) {
	linkshards.LogClients(log)
	s = &shardSet{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	own, err := embedded.New(1)
	if err != nil {
		return s, fmt.Errorf("start the coordination instance: %w", err)
	}
	s.closers = append(s.closers, own.Close)
	own.Instances()[0].ClockTTL(true) // leases and heartbeats expire; the link shards hold nothing that does
	s.coordination = own.Shards()[0].Client
	members, err := s.members(cfg)
	if err != nil {
		return s, err
	}
	for _, m := range members {
		s.redis = append(s.redis, redisShard{name: m.Name, client: m.Client})
	}
	if !s.volatile {
		if err := s.claim(ctx, installation, log); err != nil {
			return s, err
		}
	}
	const epoch = 1 // members change by configuration only, for now
	s.links, err = linkshards.New(epoch, members, linkshards.Options{Logger: log})
	return s, err
}

// members dials the shards that are configured.
func (s *shardSet) members(cfg config.Config) ([]linkshards.Shard, error) {
	if n, ok := cfg.Embedded(); ok {
		in, err := embedded.New(n)
		if err != nil {
			return nil, fmt.Errorf("start the embedded shards: %w", err)
		}
		s.volatile = true
		s.closers = append(s.closers, in.Close)
		return in.Shards(), nil
	}
	parsed, err := linkshards.ParseMembers(cfg.Redis)
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	members := make([]linkshards.Shard, len(parsed))
	for i, m := range parsed {
		members[i] = m.Dial()
		s.closers = append(s.closers, members[i].Client.Close)
	}
	return members, nil
}

// claim marks each shard as this installation's. A shard that belongs to another is refused; one that
// does not answer is left for keepClaims: a start must not wait for a view.
func (s *shardSet) claim(ctx context.Context, installation string, log *slog.Logger) error {
	for _, shard := range s.redis {
		foreign, err := claimShard(ctx, shard, installation)
		if foreign {
			return err
		}
		if err != nil {
			log.Warn("a shard does not answer; its links are read from the event store", "shard", shard.name, "error", err)
		}
	}
	return nil
}

// keepClaims looks at the marks of all shards again and again until ctx ends: one may come back as
// another installation's, or empty. The former is an error, which ends the service.
func (s *shardSet) keepClaims(ctx context.Context, installation string) error {
	for ctx.Err() == nil {
		for _, shard := range s.redis {
			if foreign, err := claimShard(ctx, shard, installation); foreign {
				return err
			}
		}
		pause(ctx, time.Second)
	}
	return ctx.Err()
}

// claimShard marks a shard that bears no mark. foreign is true if it bears another's.
func claimShard(ctx context.Context, shard redisShard, installation string) (foreign bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := shard.client.SetNX(ctx, ownerMark, installation, 0).Err(); err != nil {
		return false, err
	}
	switch owner, err := shard.client.Get(ctx, ownerMark).Result(); {
	case err != nil:
		return false, err
	case owner != installation:
		return true, fmt.Errorf("--redis: shard %s belongs to another installation of snowlink (%s): use an empty instance,"+
			" or delete its key %s if that installation is gone", shard.name, owner, ownerMark)
	}
	return false, nil
}

// Close ends the clients, and the instances that are embedded.
func (s *shardSet) Close() error {
	var faults []error
	for _, closer := range s.closers {
		faults = append(faults, closer())
	}
	return errors.Join(faults...)
}

// view is the link shards as commands write to them. The edge of this process is told of a change at
// once, also when the shard cannot tell it: who was answered 201 follows the link in the same breath.
type view struct {
	*linkshards.Shards
	changed func(shortener.Ref)
}

func (v view) Put(ctx context.Context, r shortener.Record) error {
	err := v.Shards.Put(ctx, r)
	v.changed(r.Ref)
	return err
}

// recordReader is the link shards as the edge asks them.
type recordReader struct{ *linkshards.Shards }

func (r recordReader) Get(ctx context.Context, ref shortener.Ref) (shortener.Record, bool, error) {
	record, err := r.Shards.Get(ctx, ref)
	if errors.Is(err, linkshards.ErrMiss) {
		return shortener.Record{}, false, nil
	}
	return record, err == nil, err
}
