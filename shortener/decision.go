package shortener

import (
	"strings"
	"time"
)

// Outcome is what becomes of a request for a code.
type Outcome uint8

// The outcomes of a request.
const (
	Redirect Outcome = iota // to Decision.Target with Decision.Status; counted
	Missing                 // 404: unknown, disabled, or not yet begun
	Ended                   // 410: deleted or expired
)

// Decision is the answer to one request for a link.
type Decision struct {
	Outcome Outcome
	Status  int    // HTTP status, for Redirect
	Target  string // for Redirect
	Rule    string // what decided, for Click.Rule
}

// Decide answers a request for the link at now. query is the raw query string of the request,
// without its question mark. It is pure, and allocates only if the query is forwarded.
func (r *Record) Decide(now time.Time, query string) Decision {
	switch {
	case r.State == Disabled:
		return Decision{Outcome: Missing}
	case r.State == Deleted, !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		if r.FallbackURL == "" {
			return Decision{Outcome: Ended}
		}
		return Decision{Outcome: Redirect, Status: 302, Target: r.FallbackURL, Rule: RuleFallback}
	case now.Before(r.StartsAt):
		return Decision{Outcome: Missing}
	}
	target := r.Target
	if r.ForwardQuery && query != "" {
		target = addQuery(target, query)
	}
	return Decision{Outcome: Redirect, Status: r.RedirectStatus, Target: target}
}

// addQuery puts query behind the target's own, before its fragment. Bytes that may not stand in a
// header are percent-encoded; the rest is the visitor's as it came.
func addQuery(target, query string) string {
	base, fragment, hasFragment := strings.Cut(target, "#")
	var b strings.Builder
	b.Grow(len(target) + len(query) + 2)
	b.WriteString(base)
	switch {
	case !strings.Contains(base, "?"):
		b.WriteByte('?')
	case !strings.HasSuffix(base, "?") && !strings.HasSuffix(base, "&"):
		b.WriteByte('&')
	}
	const hex = "0123456789ABCDEF"
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	if hasFragment {
		b.WriteByte('#')
		b.WriteString(fragment)
	}
	return b.String()
}
