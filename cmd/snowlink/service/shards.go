package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/cmd/snowlink/config"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
	"snowlink/storage/linkshards/embedded"
	"snowlink/web/edge"
)

// shardSet are the link shards of this process, which carry click streams too.
type shardSet struct {
	links    *linkshards.Shards
	carriers *carriers
	follower *follower // nil if the membership never changes
	volatile bool      // the shards are empty at each start, and end with this process
	closers  []func() error
}

// embeddedShards starts shards in this process.
func embeddedShards(n int, log *slog.Logger, observe shardObserver) (*shardSet, error) {
	in, err := embedded.New(n)
	if err != nil {
		return nil, fmt.Errorf("start the embedded shards: %w", err)
	}
	s := &shardSet{volatile: true, carriers: &carriers{log: log}, closers: []func() error{in.Close}}
	s.carriers.fix(in.Shards())
	const epoch = 1
	if s.links, err = linkshards.New(epoch, in.Shards(), observe.options(log)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// joinShards goes over to the shards of a membership, and follows those that newest returns later. One
// that belongs to another installation is refused; one that does not answer is left for later: a start
// must not wait for a view.
func joinShards(ctx context.Context, m linkshards.Membership, newest func(context.Context) (linkshards.Membership, error),
	installation string, log *slog.Logger, observe shardObserver,
) (s *shardSet, err error) {
	s = &shardSet{carriers: &carriers{installation: installation, log: log}}
	s.follower = &follower{newest: newest, adopt: s.adopt, log: log, nudged: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	options := observe.options(log)
	options.Installation, options.OnStale = installation, s.follower.nudge
	if s.links, err = linkshards.Open(m, options); err != nil {
		return s, err
	}
	if err := s.follower.take(m); err != nil {
		return s, err
	}
	if err := s.links.Claim(ctx); errors.Is(err, linkshards.ErrForeign) {
		return s, fmt.Errorf("--redis: %w", err)
	} else if err != nil {
		log.Warn("not every shard answers; their links are read from the event store", "error", err)
	}
	return s, nil
}

// adopt goes over to a membership.
func (s *shardSet) adopt(m linkshards.Membership) error {
	if err := s.links.Adopt(m); err != nil {
		return err
	}
	return s.carriers.follow(m)
}

// run follows the membership and the trust in the shards, and tells what was announced.
func (s *shardSet) run(l *loops, changed func(shortener.Ref), missed func()) {
	listener := linkshards.Listener{Changed: func(ref shortener.Ref, _ int64) { changed(ref) }, Connected: missed}
	if s.follower != nil {
		listener.Members = s.follower.nudge
		l.start("membership of the link shards", s.follower.run)
	}
	l.start("trust in the link shards", s.links.Run)
	l.start("announcements of the link shards", func(ctx context.Context) error { return s.links.Subscribe(ctx, listener) })
}

// Close ends the clients, and the instances that are embedded.
func (s *shardSet) Close() error {
	faults := []error{s.carriers.Close()}
	if s.links != nil {
		faults = append(faults, s.links.Close())
	}
	for _, closer := range s.closers {
		faults = append(faults, closer())
	}
	return errors.Join(faults...)
}

// otherKeys are what the shards hold beside links.
func otherKeys() []string { return []string{clickStream, clickStream + ":dead"} }

// coordination is the Redis by which processes find each other: leases, locks and the registry.
type coordination struct {
	client  *redis.Client
	address string // host:port, of one of its Sentinels if it has some; "" in memory
	closer  func() error
}

// Close ends it. The zero coordination has nothing to end.
func (c coordination) Close() error {
	if c.closer == nil {
		return nil
	}
	return c.closer()
}

// ownCoordination starts one in this process, which ends with it, and so do those who hold what is in it.
func ownCoordination() (coordination, error) {
	own, err := embedded.New(1)
	if err != nil {
		return coordination{}, fmt.Errorf("start the coordination instance: %w", err)
	}
	own.Instances()[0].ClockTTL(true) // leases and heartbeats expire; the link shards hold nothing that does
	return coordination{client: own.Shards()[0].Client, closer: own.Close}, nil
}

// openCoordination dials the one that is configured, or the first of the shards. One process on embedded
// shards has its own.
func openCoordination(cfg config.Config) (coordination, error) {
	if _, ok := cfg.Embedded(); ok {
		return ownCoordination()
	}
	flag, text := "--redis", cfg.Redis
	if cfg.Coordination != "" {
		flag, text = "--coordination", "coordination="+cfg.Coordination
	}
	members, err := linkshards.ParseMembers(text)
	if err != nil {
		return coordination{}, fmt.Errorf("%s: %w", flag, err)
	}
	client := members[0].Dial().Client
	return coordination{client, hostOf(members[0].URL), client.Close}, nil
}

// hostOf returns the first host and its port of the address of a Redis; "" if it has none.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, ",/?"); end >= 0 {
		rest = rest[:end]
	}
	if _, _, err := net.SplitHostPort(rest); err != nil && rest != "" {
		rest = net.JoinHostPort(rest, "6379")
	}
	return rest
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

func (r recordReader) Get(ctx context.Context, ref shortener.Ref) (shortener.Record, edge.Trust, error) {
	record, err := r.Shards.Get(ctx, ref)
	switch {
	case errors.Is(err, linkshards.ErrMiss):
		return shortener.Record{}, edge.Absent, nil
	case errors.Is(err, linkshards.ErrUnverified):
		return record, edge.Unverified, nil
	case err != nil:
		return shortener.Record{}, edge.Absent, err
	}
	return record, edge.Verified, nil
}

// shardObserver hears of what becomes of the shards.
type shardObserver struct {
	called  func(shard, operation, result string, took time.Duration)
	doubted func() // what was read of the shards lately may be out of date
}

func (o shardObserver) options(log *slog.Logger) linkshards.Options {
	return linkshards.Options{Logger: log, OtherKeys: otherKeys(), OnCall: o.called, OnDoubt: o.doubted}
}
