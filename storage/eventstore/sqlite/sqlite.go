// Package sqlite keeps an event store in a SQLite file.
//
// Under failure: a full or failing disk is an Unavailable error, to everybody whose writes shared the
// transaction. A disk that could not sync, or a file found damaged, ends writing for the life of the
// Store, because what a later sync says of such a disk is worth nothing; reads go on. After such an
// error, and only then, an append that failed may be found done after a restart: repeat it with the
// same event ids.
//
// The file belongs to one process.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"snowlink/storage/eventstore"
)

// Options configure a Store. The zero value is good.
type Options struct {
	Now     func() time.Time // for the expiry of idempotency keys; time.Now if nil
	Logger  *slog.Logger     // slog.Default() if nil
	Readers int              // connections for reads: 4 if 0

	// Unfinished allows to open what Copy has begun and not finished.
	Unfinished bool

	// Observe, if not nil, is told of each transaction: how many writes shared it, how long it took
	// with its sync, and whether it failed. It is called by the writer and must be quick.
	Observe func(writes int, took time.Duration, err error)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	return o
}

// Store is an open event store. It implements eventstore.Store, which says what its methods promise.
type Store struct {
	opts  Options
	write *sql.DB // one connection, the writer's
	conn  *sql.Conn
	read  *sql.DB
	reads prepared

	queue  *eventstore.Queue[func(*writer) error]
	once   sync.Once
	closed error

	head atomic.Int64
	mu   sync.Mutex
	grew chan struct{} // closed and replaced whenever head has grown
}

// Open opens the event store in the file at path and makes it if there is none. A file of a newer
// schema, and one that is something else, are errors. Open starts the writer, and Close waits for it.
func Open(path string, options Options) (*Store, error) {
	options = options.withDefaults()
	writeDB := openDB(path, writerPragmas, 1)
	if err := migrate(path, writeDB); err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	readDB := openDB(path, readerPragmas, options.Readers)
	s := &Store{
		opts: options, write: writeDB, read: readDB,
		queue: eventstore.NewQueue[func(*writer) error](), grew: make(chan struct{}),
	}
	w, err := s.newWriter()
	if err == nil {
		s.reads, err = prepare(context.Background(), readDB, readStatements...)
	}
	if err == nil && !options.Unfinished {
		err = s.refuseUnfinished()
	}
	if err != nil {
		return nil, errors.Join(classify("open the event store", err), s.closeFile())
	}
	go s.queue.Run(w.settle)
	return s, nil
}

var readStatements = []string{
	"select-link", "newest-id", "events-of-link", "events-after", "select-checkpoint",
	"select-keys", "key-by-hash", "select-meta", "select-salt", "select-membership", "links-after", "count-links",
}

// refuseUnfinished refuses to serve what is only a part of a log.
func (s *Store) refuseUnfinished() error {
	var mark []byte
	err := s.reads.get("select-meta").QueryRow(eventstore.UnfinishedCopy).Scan(&mark)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return eventstore.ErrUnfinishedCopy
}

// Close lets the transaction under way end, refuses further writes, and closes the file. Nothing that
// was acknowledged waits for it.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.queue.Close()
		s.closed = s.closeFile()
	})
	return s.closed
}

// closeFile closes the writer's connection last: the last one to go copies the log into the file.
func (s *Store) closeFile() error {
	err := s.read.Close()
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	return errors.Join(err, s.write.Close())
}
