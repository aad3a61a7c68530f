package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"snowlink/storage/eventstore"
)

// Meta returns what is kept under a name. If there is nothing yet, what fresh returns is kept first:
// all callers, at the same time and after a restart, get the same bytes.
func (s *Store) Meta(ctx context.Context, name string, fresh func() []byte) ([]byte, error) {
	return s.getOrKeep(ctx, "meta", name, fresh, nil)
}

// Salt returns the random salt of a day, "2006-01-02", and draws it if there is none. Drawing one
// deletes, for good, those of more than SaltLife days before: what was hashed under them can no longer
// be traced to anybody.
func (s *Store) Salt(ctx context.Context, day string) ([]byte, error) {
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, fmt.Errorf("salt of the day: %w", err)
	}
	draw := func() []byte {
		salt := make([]byte, 32)
		rand.Read(salt)
		return salt
	}
	return s.getOrKeep(ctx, "salt", day, draw, func(w *writer) error {
		return w.exec("delete-salts", date.AddDate(0, 0, -eventstore.SaltLife).Format(time.DateOnly))
	})
}

// getOrKeep returns the value of a row, and makes the row first if there is none; also runs in the
// same transaction then.
func (s *Store) getOrKeep(ctx context.Context, table, key string, fresh func() []byte, also func(*writer) error) (value []byte, err error) {
	err = s.reads.get("select-"+table).QueryRowContext(ctx, key).Scan(&value)
	if !errors.Is(err, sql.ErrNoRows) {
		return value, classify("select "+table, err)
	}
	drawn := fresh()
	err = s.do(ctx, "keep "+table, func(w *writer) error {
		if err := w.exec("insert-"+table, key, drawn); err != nil {
			return err
		}
		if also != nil {
			if err := also(w); err != nil {
				return err
			}
		}
		// Somebody else may have been first.
		return w.row("select-"+table, key).Scan(&value)
	})
	return value, err
}
