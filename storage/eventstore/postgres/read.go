package postgres

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"snowlink/storage/eventstore"
)

// read has fn read something, and once more if the connection that it used had broken while nobody
// looked.
func (s *Store) read(ctx context.Context, doing string, fn func(context.Context) error) error {
	err := s.within(ctx, fn)
	if err != nil && lost(err) && ctx.Err() == nil && mayPass(err) {
		s.pool.Reset() // the others have most likely broken too
		err = s.within(ctx, fn)
	}
	return classify(doing, err)
}

// within bounds fn by the store's timeout. The server's own limit comes first: it says what it was.
func (s *Store) within(ctx context.Context, fn func(context.Context) error) error {
	select {
	case <-s.ctx.Done():
		return eventstore.ErrClosed
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout+time.Second)
	defer cancel()
	return fn(ctx)
}

// row reads the one row of a named statement.
func (s *Store) row(ctx context.Context, doing string, into []any, name string, args ...any) error {
	return s.read(ctx, doing, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, sql.Get(name), args...).Scan(into...)
	})
}

// exec runs a named statement that writes. It is not repeated.
func (s *Store) exec(ctx context.Context, doing, name string, args ...any) (tag pgconn.CommandTag, err error) {
	err = s.within(ctx, func(ctx context.Context) error {
		tag, err = s.pool.Exec(ctx, sql.Get(name), args...)
		return err
	})
	return tag, classify(doing, err)
}

// text reports whether the database can hold these as text. What it cannot hold is not in it.
func text(all ...string) bool {
	for _, one := range all {
		if strings.ContainsRune(one, 0) || !utf8.ValidString(one) {
			return false
		}
	}
	return true
}
