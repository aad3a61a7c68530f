package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// CreateKey keeps a new API key. The error is Taken if its id or its secret is known already.
func (s *Store) CreateKey(ctx context.Context, key shortener.APIKey) error {
	return s.do(ctx, "create API key", func(w *writer) error {
		err := w.exec("insert-key", eventstore.KeyColumns(key)...)
		if notUnique(err) {
			return shortener.Errorf(shortener.Taken, "there is such an API key already")
		}
		return err
	})
}

// PutKey keeps an API key whether it is known or not: the key of a configuration. One that is known
// under another id keeps that id.
func (s *Store) PutKey(ctx context.Context, key shortener.APIKey) error {
	return s.do(ctx, "put API key", func(w *writer) error { return w.exec("put-key", eventstore.KeyColumns(key)...) })
}

// Keys returns all API keys, revoked and expired ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]shortener.APIKey, error) {
	rows, err := s.reads.get("select-keys").QueryContext(ctx)
	if err != nil {
		return nil, classify("select API keys", err)
	}
	defer rows.Close()
	var keys []shortener.APIKey
	for rows.Next() {
		key, err := eventstore.ScanKey(rows)
		if err != nil {
			return nil, classify("select API keys", err)
		}
		keys = append(keys, key)
	}
	return keys, classify("select API keys", rows.Err())
}

// KeyByHash returns the API key whose secret has that SHA-256, revoked and expired ones too. The
// error is NotFound if there was never one.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (shortener.APIKey, error) {
	key, err := eventstore.ScanKey(s.reads.get("key-by-hash").QueryRowContext(ctx, hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return shortener.APIKey{}, shortener.Errorf(shortener.NotFound, "there is no such API key")
	}
	return key, classify("select API key", err)
}

// RevokeKey ends an API key at a moment; of a key that was revoked before, the first moment stands.
// The error is NotFound if there was never such a key.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	return s.do(ctx, "revoke API key", func(w *writer) error {
		res, err := w.stmts.get("revoke-key").Exec(eventstore.Millis(at), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return shortener.Errorf(shortener.NotFound, "there is no API key %q", id)
	})
}
