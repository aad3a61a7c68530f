package shortener

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// EventType names a kind of event. The names are stored: they never change.
type EventType string

// The events of a link's life.
const (
	LinkCreated  EventType = "link.created"
	LinkEdited   EventType = "link.edited"
	LinkDisabled EventType = "link.disabled"
	LinkEnabled  EventType = "link.enabled"
	LinkDeleted  EventType = "link.deleted"
	LinkRestored EventType = "link.restored"
)

// Event is one change of one link, as the event store keeps it.
type Event struct {
	Position int64 // global, gapless, in commit order, from 1; set by the store
	ID       string
	Ref      Ref
	Version  int64 // the link's version after the event
	Type     EventType
	At       time.Time // UTC, milliseconds
	Actor    string    // id of the key that caused it
	Data     json.RawMessage
}

// Content is what a link's owner may say of it: the data of LinkCreated and LinkEdited events, which
// carry all of it, so that an event can be read without those before it.
type Content struct {
	ID             string     `json:"id,omitempty"` // on LinkCreated only
	Target         string     `json:"target"`
	Title          string     `json:"title,omitempty"`
	Note           string     `json:"note,omitempty"`
	Tags           []string   `json:"tags,omitempty"`
	RedirectStatus int        `json:"redirect_status"`
	StartsAt       *time.Time `json:"starts_at,omitempty"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
	FallbackURL    string     `json:"fallback_url,omitempty"`
	ForwardQuery   bool       `json:"forward_query,omitempty"`
}

// Apply returns the link as it is after e. An event of an unknown type or out of its order is an
// error: a projection that meets one must stop rather than guess.
func (l Link) Apply(e Event) (Link, error) {
	if e.Version != l.Version+1 {
		return l, fmt.Errorf("apply event %s to %s: version %d does not follow %d", e.ID, e.Ref, e.Version, l.Version)
	}
	switch e.Type {
	case LinkCreated, LinkEdited:
		var c Content
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return l, fmt.Errorf("apply event %s to %s: %w", e.ID, e.Ref, err)
		}
		l = l.with(c)
		if e.Type == LinkCreated {
			l.Ref, l.ID, l.CreatedAt, l.CreatedBy = e.Ref, c.ID, e.At, e.Actor
		}
	case LinkDisabled:
		l.State = Disabled
	case LinkEnabled, LinkRestored:
		l.State = Active
	case LinkDeleted:
		l.State = Deleted
	default:
		return l, fmt.Errorf("apply event %s to %s: unknown type %q", e.ID, e.Ref, e.Type)
	}
	l.Version, l.UpdatedAt = e.Version, e.At
	return l, nil
}

// Content returns what the owner said of the link.
func (l Link) Content() Content {
	return Content{
		Target: l.Target, Title: l.Title, Note: l.Note, Tags: l.Tags, RedirectStatus: l.RedirectStatus,
		StartsAt: optional(l.StartsAt), ExpiresAt: optional(l.ExpiresAt), FallbackURL: l.FallbackURL,
		ForwardQuery: l.ForwardQuery,
	}
}

func (l Link) with(c Content) Link {
	l.Target, l.Title, l.Note, l.Tags = c.Target, c.Title, c.Note, c.Tags
	l.RedirectStatus, l.FallbackURL, l.ForwardQuery = c.RedirectStatus, c.FallbackURL, c.ForwardQuery
	l.StartsAt, l.ExpiresAt = orZero(c.StartsAt), orZero(c.ExpiresAt)
	return l
}

// equal reports whether two contents say the same.
func (c Content) equal(d Content) bool {
	return c.Target == d.Target && c.Title == d.Title && c.Note == d.Note && slices.Equal(c.Tags, d.Tags) &&
		c.RedirectStatus == d.RedirectStatus && c.FallbackURL == d.FallbackURL && c.ForwardQuery == d.ForwardQuery &&
		orZero(c.StartsAt).Equal(orZero(d.StartsAt)) && orZero(c.ExpiresAt).Equal(orZero(d.ExpiresAt))
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
