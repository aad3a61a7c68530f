package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/storage/eventstore"
)

// Meta implements eventstore.Secrets.
func (s *Store) Meta(ctx context.Context, name string, fresh func() []byte) ([]byte, error) {
	return s.getOrKeep(ctx, "meta", name, fresh)
}

// Salt implements eventstore.Secrets.
func (s *Store) Salt(ctx context.Context, day string) ([]byte, error) {
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, fmt.Errorf("salt of the day: %w", err)
	}
	drawn := false
	salt, err := s.getOrKeep(ctx, "salt", day, func() []byte {
		drawn = true
		salt := make([]byte, 32)
		rand.Read(salt)
		return salt
	})
	if err == nil && drawn {
		_, err = s.exec(ctx, "delete old salts", "delete-salts", date.AddDate(0, 0, -eventstore.SaltLife).Format(time.DateOnly))
	}
	return salt, err
}

// getOrKeep returns the value of a row, and makes the row first if there is none.
func (s *Store) getOrKeep(ctx context.Context, table, key string, fresh func() []byte) (value []byte, err error) {
	err = s.row(ctx, "select "+table, []any{&value}, "select-"+table, key)
	if !errors.Is(err, pgx.ErrNoRows) {
		return value, err
	}
	if _, err := s.exec(ctx, "keep "+table, "insert-"+table, key, fresh()); err != nil {
		return nil, err
	}
	// Somebody else may have been first.
	err = s.row(ctx, "select "+table, []any{&value}, "select-"+table, key)
	return value, err
}
