package eventstore

import (
	"encoding/json"
	"fmt"
	"strconv"

	"snowlink/shortener"
)

// Row is a row of a result: of database/sql and of pgx.
type Row interface{ Scan(into ...any) error }

// ScanLink reads the columns of a link that all statements select, in their order: id, domain, code,
// target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
// forward_query, version, created_at, updated_at, created_by. Tags go into what is given for them:
// stores keep them in different forms. What follows the columns goes into more.
func ScanLink(row Row, tags any, more ...any) (shortener.Link, error) {
	var (
		l                                     shortener.Link
		id, starts, expires, created, updated int64
	)
	err := row.Scan(append([]any{
		&id, &l.Domain, &l.Code, &l.Target, &l.Title, &l.Note, tags, &l.State, &l.RedirectStatus, &starts, &expires,
		&l.FallbackURL, &l.ForwardQuery, &l.Version, &created, &updated, &l.CreatedBy,
	}, more...)...)
	if err != nil {
		return shortener.Link{}, err
	}
	l.ID = strconv.FormatInt(id, 10)
	l.StartsAt, l.ExpiresAt = FromMillis(starts), FromMillis(expires)
	l.CreatedAt, l.UpdatedAt = FromMillis(created), FromMillis(updated)
	return l, nil
}

// LinkID returns the number that a link is stored under.
func LinkID(l shortener.Link) (int64, error) {
	id, err := strconv.ParseInt(l.ID, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("link %s has the id %q, which is no number", l.Ref, l.ID)
	}
	return id, nil
}

// ScanEvent reads position, id, domain, code, version, type, at, actor, data.
func ScanEvent(row Row) (shortener.Event, error) {
	var (
		e    shortener.Event
		at   int64
		data string
	)
	err := row.Scan(&e.Position, &e.ID, &e.Ref.Domain, &e.Ref.Code, &e.Version, &e.Type, &at, &e.Actor, &data)
	if err != nil {
		return e, fmt.Errorf("scan event: %w", err)
	}
	e.At = FromMillis(at)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e, nil
}

// ScanKey reads id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst.
func ScanKey(row Row) (shortener.APIKey, error) {
	var (
		k                         shortener.APIKey
		hash                      []byte
		created, expires, revoked int64
	)
	err := row.Scan(&k.ID, &k.Name, &k.Role, &hash, &k.Hint, &created, &k.CreatedBy, &expires, &revoked, &k.Rate, &k.Burst)
	if err != nil {
		return shortener.APIKey{}, err
	}
	if len(hash) != len(k.Hash) {
		return shortener.APIKey{}, fmt.Errorf("API key %s has a hash of %d bytes", k.ID, len(hash))
	}
	copy(k.Hash[:], hash)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = FromMillis(created), FromMillis(expires), FromMillis(revoked)
	return k, nil
}

// KeyColumns returns what ScanKey reads.
func KeyColumns(k shortener.APIKey) []any {
	return []any{
		k.ID, k.Name, string(k.Role), k.Hash[:], k.Hint, Millis(k.CreatedAt), k.CreatedBy, Millis(k.ExpiresAt), Millis(k.RevokedAt),
		k.Rate, k.Burst,
	}
}

// ScanUsed reads owner, key, fingerprint, domain, code, version, expires_at.
func ScanUsed(row Row) (UsedKey, error) {
	var (
		u       UsedKey
		key     []byte
		expires int64
	)
	err := row.Scan(&u.Owner, &key, &u.Made.Fingerprint, &u.Made.Ref.Domain, &u.Made.Ref.Code, &u.Made.Version, &expires)
	u.Key, u.Expires = string(key), FromMillis(expires)
	return u, err
}
