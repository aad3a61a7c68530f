package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/storage/eventstore"
)

type pending = eventstore.Write[request]

// purgeEvery is how often the writer throws expired idempotency keys away.
const purgeEvery = time.Minute

// writer appends what waits in the queue. Only its goroutine touches it.
type writer struct {
	store  *Store
	line   line
	purged time.Time
}

// settle appends the group and tells each what became of it.
func (w *writer) settle(group []*pending) {
	begun := time.Now()
	err := w.commit(group)
	if err != nil && !away(err) && len(group) > 1 {
		// One of them cannot be written at all, and it is not known which.
		for _, one := range group {
			fail([]*pending{one}, w.commit([]*pending{one}))
		}
	} else {
		fail(group, err)
	}
	if w.store.opts.Observe != nil {
		w.store.opts.Observe(len(group), time.Since(begun), err)
	}
	w.purge()
}

// fail tells all of a group of an error that is none of one's own.
func fail(group []*pending, err error) {
	for _, one := range group {
		if err != nil {
			one.Err = err
		}
	}
}

// commit appends the group in one transaction. A transaction that was undone for no fault of its own is
// tried again, and so is one of which it is not known whether it was committed: the ids of the events
// tell. The error is everybody's; errors of a commit's own are kept with it.
func (w *writer) commit(group []*pending) error {
	var deadline time.Time
	unsure := false
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		used := w.line.conn != nil
		err := w.try(group, unsure)
		if err == nil {
			return nil
		}
		_, doubt := errors.AsType[inDoubt](err)
		if deadline.IsZero() {
			deadline = time.Now().Add(w.store.opts.Timeout)
		}
		unsure = unsure || doubt
		// A connection that broke while nobody looked says nothing of the database.
		again := unsure || used && lost(err) || code(err) == deadlock || code(err) == serialization
		if !again || time.Now().Add(wait).After(deadline) {
			if unsure {
				return eventstore.Unknown(err)
			}
			return err
		}
		time.Sleep(wait)
	}
}

// try appends the group in one transaction, once.
func (w *writer) try(group []*pending, unsure bool) (err error) {
	// The server's own limit comes first: it says what it was.
	ctx, cancel := context.WithTimeout(context.Background(), w.store.opts.Timeout+time.Second)
	defer cancel()
	conn, err := w.line.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !w.undo(ctx, conn) {
			w.line.hangUp()
		}
	}()
	p, err := learn(ctx, conn, wantedBy(group, w.store.opts.Now().UnixMilli()))
	if err != nil {
		return err
	}
	for _, one := range group {
		one.Err = p.decide(one.What, unsure)
	}
	if p.empty() {
		if !w.undo(ctx, conn) {
			w.line.hangUp()
		}
		return nil
	}
	if err := p.write(ctx, conn, w.store.channel); err != nil {
		return err
	}
	w.store.advance(p.head)
	return nil
}

// decide says what becomes of a commit, and plans it. If the group was tried before and may have been
// committed then, what is found done was done for this caller.
func (p *plan) decide(r request, unsure bool) error {
	d, err := eventstore.Decide(r.commit, p)
	if err == nil && !d.Replayed {
		d.Stored, err = p.add(r.commit, d)
	}
	if unsure && d.Stored != nil {
		d.Replayed = false
	}
	*r.made = d
	return err
}

// undo ends the transaction, if there is one, and reports whether the connection is good for another.
func (w *writer) undo(ctx context.Context, conn *pgx.Conn) bool {
	if conn.IsClosed() {
		return false
	}
	_, err := conn.Exec(ctx, sql.Get("rollback"))
	return err == nil && conn.PgConn().TxStatus() == 'I'
}

func (w *writer) purge() {
	now := w.store.opts.Now()
	if now.Sub(w.purged) < purgeEvery || w.line.conn == nil {
		return
	}
	w.purged = now
	ctx, cancel := context.WithTimeout(context.Background(), w.store.opts.Timeout)
	defer cancel()
	if _, err := w.line.conn.Exec(ctx, sql.Get("purge-once"), now.UnixMilli()); err != nil {
		w.store.opts.Logger.Warn("expired idempotency keys were not thrown away", "error", err)
	}
}
