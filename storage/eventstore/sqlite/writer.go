package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"snowlink/storage/eventstore"
)

// purgeEvery is how often the writer throws expired idempotency keys away.
const purgeEvery = time.Minute

// do has fn run within a transaction of the writer and waits until that is on the disk. fn is undone
// alone if it fails, and with all others if the transaction does. Once the writer has taken it up, ctx
// no longer matters: it was done or it was not, and do tells which.
func (s *Store) do(ctx context.Context, doing string, fn func(*writer) error) error {
	w, err := s.queue.Hand(ctx, fn)
	if err != nil {
		return classify(doing, err)
	}
	<-w.Done()
	return classify(doing, w.Err)
}

type pending = eventstore.Write[func(*writer) error]

// writer owns the connection that writes. Only its goroutine touches it.
type writer struct {
	store  *Store
	stmts  prepared
	head   int64 // of the transaction under way
	purged time.Time
	broken error        // what ended writing for good
	commit func() error // a seam: tests make it fail
}

func (s *Store) newWriter() (*writer, error) {
	ctx := context.Background()
	var err error
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return nil, err
	}
	stmts, err := prepare(ctx, s.conn, writeStatements...)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, stmts: stmts}
	w.commit = func() error { return w.exec("commit") }
	if err := w.row("head").Scan(&w.head); err != nil {
		return nil, err
	}
	s.head.Store(w.head)
	return w, nil
}

var writeStatements = []string{
	"begin", "commit", "rollback", "savepoint", "undo", "release", "head",
	"insert-event", "event-by-id", "insert-link", "update-link", "insert-tag", "delete-tag",
	"select-once", "put-once", "purge-once", "select-link", "events-of-link", "put-checkpoint",
	"insert-key", "put-key", "revoke-key", "select-meta", "insert-meta", "select-salt", "insert-salt", "delete-salts",
	"select-membership", "insert-membership",
	"count-events", "events-by-link", "clear-links", "clear-tags",
}

// settle writes the group and tells each what became of it.
func (w *writer) settle(group []*pending) {
	begun := time.Now()
	err := w.broken
	if err == nil {
		err = w.transact(group)
	}
	if fatal(err) && w.broken == nil {
		w.broken = fmt.Errorf("writing ended for good by an earlier failure: %w", err)
		w.store.opts.Logger.Error("the event store takes no more writes: its disk cannot be trusted", "error", err)
	}
	if w.store.opts.Observe != nil {
		w.store.opts.Observe(len(group), time.Since(begun), err)
	}
	if err == nil {
		w.store.advance(w.head)
	}
	for _, one := range group {
		if err != nil {
			one.Err = eventstore.Unavailable(err)
		}
	}
}

// transact writes the group in one transaction. An error means that none of it was done.
func (w *writer) transact(group []*pending) (err error) {
	if err := w.exec("begin"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			_ = w.exec("rollback") // SQLite may have rolled back on its own
		}
	}()
	if err := w.row("head").Scan(&w.head); err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	for _, one := range group {
		if err := w.attempt(one); err != nil {
			return err
		}
	}
	if err := w.purge(); err != nil {
		return fmt.Errorf("purge idempotency keys: %w", err)
	}
	if err := w.commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// attempt applies one write, and undoes it alone if it fails for a reason of its own. The error is a
// failure of the store, which is everybody's.
func (w *writer) attempt(one *pending) error {
	if err := w.exec("savepoint"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	before := w.head
	if one.Err = one.What(w); one.Err != nil {
		if storageFault(one.Err) {
			return one.Err
		}
		w.head = before
		if err := w.exec("undo"); err != nil {
			return fmt.Errorf("undo a write: %w", err)
		}
	}
	if err := w.exec("release"); err != nil {
		return fmt.Errorf("release a savepoint: %w", err)
	}
	return nil
}

func (w *writer) purge() error {
	now := w.store.opts.Now()
	if now.Sub(w.purged) < purgeEvery {
		return nil
	}
	w.purged = now
	return w.exec("purge-once", now.UnixMilli())
}

// exec runs a named statement. The writer's statements run under no context: database/sql would start
// a goroutine for each, and a transaction is never given up half way.
func (w *writer) exec(name string, args ...any) error {
	_, err := w.stmts.get(name).Exec(args...)
	return err
}

func (w *writer) row(name string, args ...any) *sql.Row { return w.stmts.get(name).QueryRow(args...) }
