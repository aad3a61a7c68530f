package eventstore

import (
	"fmt"
	"slices"
	"time"

	"snowlink/shortener"
)

// difference is a field in which a link is not as it should be.
type difference struct{ field, got, want string }

func (d difference) String() string { return fmt.Sprintf("%s is %q, want %q", d.field, d.got, d.want) }

// differences compares two links field by field, times in milliseconds.
func differences(want, got shortener.Link) []difference {
	var all []difference
	note := func(field string, same bool, g, w any) {
		if !same {
			all = append(all, difference{field, fmt.Sprint(g), fmt.Sprint(w)})
		}
	}
	moment := func(field string, g, w time.Time) {
		note(field, Millis(g) == Millis(w), Millis(g), Millis(w))
	}
	note("ref", got.Ref == want.Ref, got.Ref, want.Ref)
	note("id", got.ID == want.ID, got.ID, want.ID)
	note("target", got.Target == want.Target, got.Target, want.Target)
	note("title", got.Title == want.Title, got.Title, want.Title)
	note("note", got.Note == want.Note, got.Note, want.Note)
	note("tags", slices.Equal(got.Tags, want.Tags), got.Tags, want.Tags)
	note("state", got.State == want.State, got.State, want.State)
	note("redirect_status", got.RedirectStatus == want.RedirectStatus, got.RedirectStatus, want.RedirectStatus)
	moment("starts_at", got.StartsAt, want.StartsAt)
	moment("expires_at", got.ExpiresAt, want.ExpiresAt)
	note("fallback_url", got.FallbackURL == want.FallbackURL, got.FallbackURL, want.FallbackURL)
	note("forward_query", got.ForwardQuery == want.ForwardQuery, got.ForwardQuery, want.ForwardQuery)
	note("version", got.Version == want.Version, got.Version, want.Version)
	moment("created_at", got.CreatedAt, want.CreatedAt)
	moment("updated_at", got.UpdatedAt, want.UpdatedAt)
	note("created_by", got.CreatedBy == want.CreatedBy, got.CreatedBy, want.CreatedBy)
	return all
}
