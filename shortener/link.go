package shortener

import "time"

// Ref names a link: a code within a domain. The domain "" is the service's default one, so that a
// change of its base URL renames no link.
type Ref struct {
	Domain string
	Code   string
}

// String returns the ref as "domain/code", the form in which keys and logs carry it.
func (r Ref) String() string { return r.Domain + "/" + r.Code }

// State is what a link's owner decided for it. What the clock adds to it is Status.
type State uint8

// The states of a link.
const (
	Active State = iota
	Disabled
	Deleted
)

// Status is a state seen at a moment.
type Status string

// The statuses of a link.
const (
	StatusActive    Status = "active"
	StatusScheduled Status = "scheduled" // starts_at is still to come
	StatusExpired   Status = "expired"   // expires_at has been reached
	StatusDisabled  Status = "disabled"
	StatusDeleted   Status = "deleted"
)

// Link is a short link with everything its owner said of it. It is a value; the slices in it are
// not to be changed by those it is handed to.
type Link struct {
	Ref
	ID             string // snowflake, decimal: sortable by time of creation
	Target         string // serialized href by the WHATWG URL standard, sent byte for byte
	Title          string
	Note           string
	Tags           []string // sorted, without duplicates
	State          State
	RedirectStatus int       // 301, 302, 307 or 308
	StartsAt       time.Time // zero: at once
	ExpiresAt      time.Time // zero: never. Exclusive: at this instant the link has expired
	FallbackURL    string    // where to go instead of 410, "" for the page
	ForwardQuery   bool      // the visitor's query is added to the target's
	Version        int64     // number of events in the link's stream, 1 when created
	CreatedAt      time.Time
	UpdatedAt      time.Time
	CreatedBy      string // id of the key that created it
}

// StatusAt returns the link's status at now.
func (l Link) StatusAt(now time.Time) Status {
	switch {
	case l.State == Deleted:
		return StatusDeleted
	case l.State == Disabled:
		return StatusDisabled
	case !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt):
		return StatusExpired
	case now.Before(l.StartsAt):
		return StatusScheduled
	}
	return StatusActive
}

// Record returns what shards and edges hold of the link.
func (l Link) Record() Record {
	return Record{
		Ref: l.Ref, Version: l.Version, State: l.State, RedirectStatus: l.RedirectStatus,
		StartsAt: l.StartsAt, ExpiresAt: l.ExpiresAt, Target: l.Target, FallbackURL: l.FallbackURL,
		ForwardQuery: l.ForwardQuery, Title: l.Title,
	}
}
