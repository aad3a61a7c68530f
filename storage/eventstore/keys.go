package eventstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"snowlink/shortener"
)

// CreateKey keeps a new API key. The error is Taken if its id or its secret is known already.
func (s *Store) CreateKey(ctx context.Context, key shortener.APIKey) error {
	return s.do(ctx, "create API key", func(w *writer) error {
		err := w.exec("insert-key", keyColumns(key)...)
		if notUnique(err) {
			return shortener.Errorf(shortener.Taken, "there is such an API key already")
		}
		return err
	})
}

// PutKey keeps an API key whether it is known or not: the key of a configuration. One that is known
// under another id keeps that id.
func (s *Store) PutKey(ctx context.Context, key shortener.APIKey) error {
	return s.do(ctx, "put API key", func(w *writer) error { return w.exec("put-key", keyColumns(key)...) })
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
		key, err := scanKey(rows)
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
	key, err := scanKey(s.reads.get("key-by-hash").QueryRowContext(ctx, hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return shortener.APIKey{}, shortener.Errorf(shortener.NotFound, "there is no such API key")
	}
	return key, classify("select API key", err)
}

// RevokeKey ends an API key at a moment; of a key that was revoked before, the first moment stands.
// The error is NotFound if there was never such a key.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	return s.do(ctx, "revoke API key", func(w *writer) error {
		res, err := w.stmts.get("revoke-key").Exec(millis(at), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return shortener.Errorf(shortener.NotFound, "there is no API key %q", id)
	})
}

func keyColumns(k shortener.APIKey) []any {
	return []any{
		k.ID, k.Name, string(k.Role), k.Hash[:], k.Hint, millis(k.CreatedAt), k.CreatedBy, millis(k.ExpiresAt), millis(k.RevokedAt),
	}
}

func scanKey(row scanner) (shortener.APIKey, error) {
	var (
		k                         shortener.APIKey
		hash                      []byte
		created, expires, revoked int64
	)
	err := row.Scan(&k.ID, &k.Name, &k.Role, &hash, &k.Hint, &created, &k.CreatedBy, &expires, &revoked)
	if err != nil {
		return shortener.APIKey{}, err
	}
	if len(hash) != len(k.Hash) {
		return shortener.APIKey{}, fmt.Errorf("API key %s has a hash of %d bytes", k.ID, len(hash))
	}
	copy(k.Hash[:], hash)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = fromMillis(created), fromMillis(expires), fromMillis(revoked)
	return k, nil
}
