package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/storage/eventstore"
)

// pollEvery is how often the head is asked for when nothing is heard of it.
const pollEvery = time.Second

// Wait implements eventstore.Feed.
func (s *Store) Wait(ctx context.Context, after int64) error {
	for {
		s.mu.Lock()
		grew := s.grew
		s.mu.Unlock()
		if s.head.Load() > after {
			return nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.queue.Closing():
			return eventstore.ErrClosed
		}
	}
}

// advance makes a committed head known and wakes those who wait for it. Those who tell of it may come
// late.
func (s *Store) advance(head int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if head > s.head.Load() {
		s.setHead(head)
	}
}

func (s *Store) setHead(head int64) {
	s.head.Store(head)
	close(s.grew)
	s.grew = make(chan struct{})
}

// listener keeps the head up to date with what other processes append.
type listener struct {
	store *Store
	line  line
}

// run listens until the store is closed, and finds back when the connection is lost.
func (l *listener) run() {
	defer l.line.hangUp()
	failing := false
	for l.store.ctx.Err() == nil {
		err := l.listen(func() { failing = false })
		if l.store.ctx.Err() != nil {
			return
		}
		if !failing {
			failing = true
			l.store.opts.Logger.Warn("the event store cannot be listened to: events of other processes are late", "error", err)
		}
		select {
		case <-time.After(pollEvery / 2):
		case <-l.store.ctx.Done():
		}
	}
}

// listen listens on one connection until it is lost. begun is called when it does.
func (l *listener) listen(begun func()) error {
	ctx, cancel := context.WithTimeout(l.store.ctx, l.store.opts.Timeout)
	defer cancel()
	l.line.hangUp()
	conn, err := l.line.open(ctx)
	if err != nil {
		return err
	}
	// The channel's name is a word and a number.
	if _, err := conn.Exec(ctx, "LISTEN "+l.store.channel); err != nil {
		return err
	}
	if err := l.ask(ctx, conn, true); err != nil {
		return err
	}
	begun()
	for {
		if err := l.hear(conn); err != nil {
			return err
		}
	}
}

// hear waits for one notification, and asks when there is none.
func (l *listener) hear(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(l.store.ctx, pollEvery)
	defer cancel()
	told, err := conn.WaitForNotification(ctx)
	if err == nil {
		head, err := strconv.ParseInt(told.Payload, 10, 64)
		if err == nil {
			l.store.advance(head)
		}
		return err
	}
	if conn.IsClosed() || l.store.ctx.Err() != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(l.store.ctx, l.store.opts.Timeout)
	defer cancel()
	return l.ask(ctx, conn, false)
}

// ask asks the database for the head. On a connection that is new it may be lower than it was: commits
// were lost by a failover.
func (l *listener) ask(ctx context.Context, conn *pgx.Conn, isNew bool) error {
	before := l.store.head.Load()
	var head int64
	if err := conn.QueryRow(ctx, sql.Get("head")).Scan(&head); err != nil {
		return err
	}
	if head >= before || !isNew {
		l.store.advance(head)
		return nil
	}
	l.store.opts.Logger.Error("the log ends before its end: a failover has lost what was acknowledged",
		"head", head, "acknowledged", before)
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.store.setHead(head)
	return nil
}
