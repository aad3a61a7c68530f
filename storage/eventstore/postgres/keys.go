package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// CreateKey implements eventstore.Keyring.
func (s *Store) CreateKey(ctx context.Context, key shortener.APIKey) error {
	_, err := s.exec(ctx, "create API key", "insert-key", eventstore.KeyColumns(key)...)
	if code(err) == uniqueViolation {
		return shortener.Errorf(shortener.Taken, "there is such an API key already")
	}
	return err
}

// PutKey implements eventstore.Keyring.
func (s *Store) PutKey(ctx context.Context, key shortener.APIKey) error {
	for tries := 0; ; tries++ {
		tag, err := s.exec(ctx, "put API key", "update-known-key", key.Name, string(key.Role), key.Hint,
			eventstore.Millis(key.ExpiresAt), eventstore.Millis(key.RevokedAt), key.Rate, key.Burst, key.Hash[:])
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		_, err = s.exec(ctx, "put API key", "put-key", eventstore.KeyColumns(key)...)
		// Another process may have put the same secret under an id of its own in between.
		if code(err) != uniqueViolation || tries > 0 {
			return err
		}
	}
}

// Keys implements eventstore.Keyring.
func (s *Store) Keys(ctx context.Context) (keys []shortener.APIKey, err error) {
	err = s.read(ctx, "select API keys", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sql.Get("select-keys"))
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (shortener.APIKey, error) { return eventstore.ScanKey(row) })
		return err
	})
	return keys, err
}

// KeyByHash implements eventstore.Keyring.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (key shortener.APIKey, err error) {
	err = s.read(ctx, "select API key", func(ctx context.Context) error {
		key, err = eventstore.ScanKey(s.pool.QueryRow(ctx, sql.Get("key-by-hash"), hash[:]))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return key, shortener.Errorf(shortener.NotFound, "there is no such API key")
	}
	return key, err
}

// RevokeKey implements eventstore.Keyring.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	unknown := shortener.Errorf(shortener.NotFound, "there is no API key %q", id)
	if !text(id) {
		return unknown
	}
	tag, err := s.exec(ctx, "revoke API key", "revoke-key", eventstore.Millis(at), id)
	if err == nil && tag.RowsAffected() == 0 {
		return unknown
	}
	return err
}
