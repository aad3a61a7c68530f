// Package eventstore says what an event store is, and holds what all of them share. An event store
// keeps the truth about links: the log of every event, and the view of links that is its fold, written
// in the same transaction. There is one in a SQLite file (package sqlite) and one in a PostgreSQL
// database (package postgres).
//
// Both promise:
//
//   - an append that returned without error is on the disk, and is there after SIGKILL and power loss;
//   - positions are gapless and in commit order, so that whoever has read up to a position has missed
//     nothing before it; the versions of a link are gapless too;
//   - a commit whose events are stored already is answered as it was the first time, and so is one
//     under an idempotency key;
//   - the view of a link is the fold of its events. Replay makes it anew from the log, Verify proves it.
//
// What becomes of an append is decided here, by Decide; the stores differ in how they come to know what
// it has to know, and in how many appends share a transaction.
package eventstore

import (
	"context"
	"io"
	"time"

	"snowlink/shortener"
)

// Store is an open event store. It is safe for concurrent use.
//
// What cannot be done at the moment is an Unavailable error. An append that got one was not done, or it
// is not known whether it was: it may be repeated with the same event ids, which does it at most once.
type Store interface {
	shortener.Log
	Feed
	Index
	Auditor
	Secrets
	Keyring
	Memberships
	io.Closer
}

// Feed is the log for those who follow it.
type Feed interface {
	// Head returns the position of the last event, 0 if there is none.
	Head(ctx context.Context) (int64, error)
	// Read returns up to limit events after a position, in the order of positions. None means that
	// the caller has read the log to its end.
	Read(ctx context.Context, after int64, limit int) ([]shortener.Event, error)
	// Wait returns once the log has an event after the position, whoever appended it. Its error is
	// ctx's, or Unavailable once the store is closed.
	Wait(ctx context.Context, after int64) error
	// Checkpoint returns how far the named projection has followed the log, 0 if it never did.
	Checkpoint(ctx context.Context, name string) (position int64, err error)
	// SetCheckpoint keeps how far the named projection has followed the log. Going back is allowed:
	// it makes the projection begin again from there.
	SetCheckpoint(ctx context.Context, name string, position int64) error
}

// Index is the view of links for those who look for them.
type Index interface {
	// List returns the links that q selects, at most q.Limit of them, from after q.After on. A link
	// that changes between two pages may move to the front of SortUpdated; no other is missed or
	// told twice.
	List(ctx context.Context, q shortener.LinkQuery) ([]shortener.Link, error)
	// LinksAfter returns up to limit links with greater ids than id, deleted ones too, in the order
	// of ids. None means that there are no more: a walk over all links begins with 0 and goes on
	// with the id of the last.
	LinksAfter(ctx context.Context, id int64, limit int) ([]shortener.Link, error)
	// CountLinks returns how many links there are, deleted ones too.
	CountLinks(ctx context.Context) (int64, error)
	// NewestID returns the highest id of all links, 0 if there are none: a generator of ids must not
	// begin before the time in it.
	NewestID(ctx context.Context) (int64, error)
}

// Auditor checks and mends the view of links. progress, if not nil, is told how many events were looked
// at and how many there are.
type Auditor interface {
	// Replay makes the view of links anew from the log, in one transaction: readers see the old view
	// until the new one is whole. It holds one link in memory at a time, and appends wait for it. On
	// an error, and if ctx ends, the view stays as it was.
	Replay(ctx context.Context, progress func(done, total int64)) error
	// Verify checks that what is stored is sound, that positions and the versions of each link are
	// gapless, and that the view is the fold of the log, field by field. It reads one moment of the
	// store and holds up nobody. The error says that it could not be read; what is wrong with what
	// was read is in the report.
	Verify(ctx context.Context, progress func(done, total int64)) (Report, error)
}

// Secrets are drawn at random once and kept.
type Secrets interface {
	// Meta returns what is kept under a name. If there is nothing yet, what fresh returns is kept
	// first: all callers, at the same time and after a restart, get the same bytes.
	Meta(ctx context.Context, name string, fresh func() []byte) ([]byte, error)
	// Salt returns the random salt of a day, "2006-01-02", and draws it if there is none. Drawing one
	// deletes, for good, those of more than SaltLife days before: what was hashed under them can no
	// longer be traced to anybody.
	Salt(ctx context.Context, day string) ([]byte, error)
}

// SaltLife is how many days a salt is kept after its own.
const SaltLife = 2

// Keyring keeps API keys.
type Keyring interface {
	// CreateKey keeps a new API key. The error is Taken if its id or its secret is known already.
	CreateKey(ctx context.Context, key shortener.APIKey) error
	// PutKey keeps an API key whether it is known or not: the key of a configuration. One that is
	// known under another id keeps that id.
	PutKey(ctx context.Context, key shortener.APIKey) error
	// Keys returns all API keys, revoked and expired ones too, oldest first.
	Keys(ctx context.Context) ([]shortener.APIKey, error)
	// KeyByHash returns the API key whose secret has that SHA-256, revoked and expired ones too. The
	// error is NotFound if there was never one.
	KeyByHash(ctx context.Context, hash [32]byte) (shortener.APIKey, error)
	// RevokeKey ends an API key at a moment; of a key that was revoked before, the first moment
	// stands. The error is NotFound if there was never such a key.
	RevokeKey(ctx context.Context, id string, at time.Time) error
}

// Memberships keeps which link shards there are.
type Memberships interface {
	// Membership returns the membership that was kept last, and its epoch: 0 if there is none.
	Membership(ctx context.Context) (epoch uint64, body []byte, err error)
	// PutMembership keeps a membership if its epoch is the one after the last. Any other is a
	// Conflict: who made it did not know of the last one.
	PutMembership(ctx context.Context, epoch uint64, body []byte) error
}
