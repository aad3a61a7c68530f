package shortener

import (
	"context"
	"time"
)

// Commit is a set of events of one link that become true together or not at all.
type Commit struct {
	Ref      Ref
	Expected int64 // the link's version before; 0: there is none yet
	Events   []Event
	After    Link // the link as the events leave it
	Once     *Once
}

// Once makes a commit happen at most once a key: Idempotency-Key of the REST API.
type Once struct {
	Owner       string // id of the API key: keys of different callers never meet
	Key         string
	Fingerprint [32]byte // hash of the request; another one under the same key is an error
	Expires     time.Time
}

// Log is the truth: every change of every link, and the view of links that is kept with it in the
// same transaction.
type Log interface {
	// Append makes the commit durable before it returns, or does nothing. The errors' kinds: Taken
	// if Expected is 0 and the link exists, Conflict if the version found is another than Expected,
	// Invalid with slug "idempotency-key-reused" if Once was used with another fingerprint,
	// Unavailable if the store is. If Once was used with the same fingerprint nothing is written and
	// the link made then is returned with replayed true. Events get their Position.
	Append(ctx context.Context, c Commit) (link Link, replayed bool, err error)
	// Link returns the link, deleted ones too; NotFound if there was never one.
	Link(ctx context.Context, ref Ref) (Link, error)
	// Events returns the events of one link, oldest first; NotFound if there are none.
	Events(ctx context.Context, ref Ref) ([]Event, error)
}

// View is a copy of the links for readers, kept up by version: an older record never replaces a
// newer one, so a Put may be late, early or repeated.
type View interface {
	// Put writes the record of a link that has changed, and tells those who hold a copy of it.
	Put(ctx context.Context, r Record) error
	// Repair writes the record of a link that the view was found without. Nothing has changed, and
	// nobody is told.
	Repair(ctx context.Context, r Record) error
}

// Sort is an order of a list of links.
type Sort string

// The orders, newest first.
const (
	SortCreated Sort = "-created_at"
	SortUpdated Sort = "-updated_at"
)

// LinkQuery selects links for a list. Deleted links are in it only if Status asks for them.
type LinkQuery struct {
	Text   string // every word must occur in code, target, title, note or tags; case is ignored
	Tag    string
	Status Status // "": all but deleted
	Domain *string
	Sort   Sort // "" means SortCreated
	Limit  int  // 1 to 1,000
	After  *LinkPosition
	Now    time.Time // for statuses that depend on the clock
}

// LinkPosition is a place in a list: the sort key and id of the last link of the page before.
type LinkPosition struct {
	At time.Time
	ID string
}
