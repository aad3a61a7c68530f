// Package postgres keeps an event store in a PostgreSQL database. Any number of processes may have it
// open at once; what one appends the others see, and their Wait returns within a second at the latest.
//
// Positions have no gaps and are in the order of commits because every append locks the one row that
// holds the head. Appends of one process that wait at the same time share a transaction, so that the lock
// is passed on as seldom as possible.
//
// Under failure: a database that cannot be reached, does not let in, is read-only, takes too long or was
// changed for another by a failover is an Unavailable error, and the store finds back by itself. When
// the connection is lost while a transaction is committed, the store asks again under the same event ids
// until it knows what became of it, for up to Options.Timeout; if it still does not know, the error says
// so, and a repetition with the same event ids is done at most once. Success is only said of what the
// database said is committed, and synchronous_commit is never off. What a failover to a replica that was
// behind loses is lost, and logged: replicate synchronously.
//
// Salts that are deleted are gone for the database's users, but their bytes stay in its files until
// they are written over, and in its log and backups: keep those no longer than you may.
//
// A connection pooler between the two must keep a session to its client (session mode).
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Options configure a Store. The zero value is good.
type Options struct {
	Now    func() time.Time // for the expiry of idempotency keys; time.Now if nil
	Logger *slog.Logger     // slog.Default() if nil

	// MaxConns bounds the connections of this process: 10 if 0. One writes, one listens, the others
	// read; there are at least 3.
	MaxConns int
	// Timeout bounds each statement, and how long a write waits for others and for a database that
	// was lost: 5 s if 0.
	Timeout time.Duration
	// ConnectTimeout bounds the attempt to reach each host: 3 s if 0. connect_timeout in the URL
	// wins.
	ConnectTimeout time.Duration

	// Unfinished allows to open what Copy has begun and not finished.
	Unfinished bool

	// Observe, if not nil, is told of each transaction of appends: how many shared it, how long it
	// took, and whether it failed. It is called by the writer and must be quick.
	Observe func(writes int, took time.Duration, err error)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxConns == 0 {
		o.MaxConns = 10
	}
	o.MaxConns = max(o.MaxConns, 3)
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 3 * time.Second
	}
	return o
}

// Store is an open event store. It implements eventstore.Store, which says what its methods promise.
type Store struct {
	opts    Options
	pool    *pgxpool.Pool // for reads and for writes other than appends
	channel string        // on which appends are told
	queue   *eventstore.Queue[request]

	ctx     context.Context // of the goroutines; ends in Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	once    sync.Once

	head atomic.Int64 // as far as this process has heard
	mu   sync.Mutex
	grew chan struct{} // closed and replaced whenever head has changed
}

// Open opens the event store at an address, "postgres://user:password@host:5432/database". It makes the
// tables in a schema that is empty and brings those of an older version up to date; a schema of a newer
// version, and one of something else, are errors. Errors never hold the password, and are Unavailable if
// trying again may help. Open starts a writer and a listener, and Close waits for them.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	options = options.withDefaults()
	config, err := parse(url, options)
	if err != nil {
		return nil, err
	}
	found, err := prepareSchema(ctx, config, options)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(options.MaxConns) - 2
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the event store: %w", err)
	}
	s := &Store{
		opts: options, pool: pool, channel: fmt.Sprintf("snowlink_%d", found.oid),
		queue: eventstore.NewQueue[request](), grew: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.head.Store(found.head)
	w := &writer{store: s, line: line{config: config.ConnConfig, options: options}}
	l := &listener{store: s, line: line{config: config.ConnConfig, options: options}}
	s.running.Go(func() { defer w.line.hangUp(); s.queue.Run(w.settle) })
	s.running.Go(l.run)
	return s, nil
}

// Close lets the transaction under way end, refuses further writes, and closes all connections.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.queue.Close()
		s.cancel()
		s.running.Wait()
		s.pool.Close()
	})
	return nil
}

var _ eventstore.Store = (*Store)(nil)

// notFound is the error of a link that there never was.
func notFound(code string) error {
	return shortener.Errorf(shortener.NotFound, "there is no link %q", code)
}
