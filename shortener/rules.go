package shortener

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds on what an owner may say of a link, in characters and tags.
const (
	MaxTitle = 200
	MaxNote  = 2000
	MaxTags  = 20
	MaxTag   = 50
)

// check turns an order into the link's content and ref, or says which rules it breaks. The code of
// the ref is "" if one is to be generated.
func (s *Service) check(n NewLink, now time.Time) (Content, Ref, Problems) {
	var problems Problems
	report := func(p *Problem) {
		if p != nil {
			problems = append(problems, p)
		}
	}
	domain, ok := s.domain(n.Domain)
	if !ok {
		report(unknownDomain(n.Domain))
	}
	if n.Code != "" {
		report(parseCode(n.Code))
	}
	var c Content
	c.Target = s.target("url", n.URL, report)
	if n.FallbackURL != "" {
		c.FallbackURL = s.target("fallback_url", n.FallbackURL, report)
	}
	c.Title, c.Note, c.ForwardQuery = n.Title, n.Note, n.ForwardQuery
	report(checkText("title", n.Title, MaxTitle, ""))
	report(checkText("note", n.Note, MaxNote, "\t\r\n"))
	c.Tags = cleanTags(n.Tags, report)
	c.RedirectStatus = redirectStatus(n.RedirectStatus, report)
	starts, expires := toMillis(n.StartsAt), toMillis(n.ExpiresAt)
	report(checkTime("starts_at", starts))
	report(checkExpiry(expires, now))
	report(checkOrder(starts, expires))
	c.StartsAt, c.ExpiresAt = optional(starts), optional(expires)
	return c, Ref{Domain: domain, Code: n.Code}, problems
}

// patch returns the content of l with p's changes, or says which rules the changed values break: what
// was right when it was said stays so, an expiry that has passed meanwhile too.
func (s *Service) patch(l Link, p Patch, now time.Time) (Content, Problems) {
	var problems Problems
	report := func(p *Problem) {
		if p != nil {
			problems = append(problems, p)
		}
	}
	c := l.Content()
	if p.URL != nil && *p.URL != l.Target {
		c.Target = s.target("url", *p.URL, report)
	}
	if f := p.FallbackURL; f.Set && f.Value != l.FallbackURL {
		c.FallbackURL = ""
		if f.Value != "" {
			c.FallbackURL = s.target("fallback_url", f.Value, report)
		}
	}
	if p.Title != nil {
		c.Title = *p.Title
		report(checkText("title", c.Title, MaxTitle, ""))
	}
	if p.Note != nil {
		c.Note = *p.Note
		report(checkText("note", c.Note, MaxNote, "\t\r\n"))
	}
	if p.Tags != nil {
		c.Tags = cleanTags(*p.Tags, report)
	}
	if p.RedirectStatus != nil {
		c.RedirectStatus = redirectStatus(*p.RedirectStatus, report)
	}
	if p.ForwardQuery != nil {
		c.ForwardQuery = *p.ForwardQuery
	}
	starts, expires := patched(p.StartsAt, l.StartsAt), patched(p.ExpiresAt, l.ExpiresAt)
	startsChanged, expiresChanged := !starts.Equal(l.StartsAt), !expires.Equal(l.ExpiresAt)
	if startsChanged {
		report(checkTime("starts_at", starts))
	}
	if expiresChanged {
		report(checkExpiry(expires, now))
	}
	if startsChanged || expiresChanged {
		report(checkOrder(starts, expires))
	}
	c.StartsAt, c.ExpiresAt = optional(starts), optional(expires)
	return c, problems
}

func patched(o Optional[time.Time], old time.Time) time.Time {
	if o.Set {
		return toMillis(o.Value)
	}
	return old
}

func (s *Service) target(field, raw string, report func(*Problem)) string {
	href, p := s.targets.parse(field, raw)
	report(p)
	return href
}

// checkText allows printable text of at most limit characters, and the control characters in allowed.
func checkText(field, text string, limit int, allowed string) *Problem {
	control := func(r rune) bool { return isControl(r) && !strings.ContainsRune(allowed, r) }
	switch {
	case !utf8.ValidString(text):
		return InvalidField(field, "invalid-utf8", "The %s is not valid UTF-8.", field)
	case utf8.RuneCountInString(text) > limit:
		return InvalidField(field, "too-long", "The %s is longer than %d characters.", field, limit)
	case strings.ContainsFunc(text, control):
		return InvalidField(field, "control-character", "The %s has a control character in it.", field)
	}
	return nil
}

// cleanTags returns the tags trimmed, sorted and each once; empty ones are left out.
func cleanTags(tags []string, report func(*Problem)) []string {
	var clean []string
	for _, tag := range tags {
		if tag = strings.TrimSpace(tag); tag != "" {
			clean = append(clean, tag)
		}
	}
	slices.Sort(clean)
	clean = slices.Compact(clean)
	if len(clean) > MaxTags {
		report(InvalidField("tags", "too-many-tags", "A link has at most %d tags.", MaxTags))
		return nil
	}
	for _, tag := range clean {
		if p := checkText("tags", tag, MaxTag, ""); p != nil {
			report(p)
			return nil
		}
	}
	return clean
}

func redirectStatus(status int, report func(*Problem)) int {
	switch status {
	case 0:
		return 302
	case 301, 302, 307, 308:
		return status
	}
	report(InvalidField("redirect_status", "invalid-redirect-status",
		"A link redirects with 301, 302, 307 or 308, not with %d.", status))
	return 0
}

// lastTime is the end of what RFC 3339 can write.
var lastTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

func checkTime(field string, t time.Time) *Problem {
	if !t.Before(lastTime) {
		return InvalidField(field, "invalid-time", "The year of %s has more than four digits.", field)
	}
	return nil
}

func checkExpiry(expires, now time.Time) *Problem {
	if !expires.IsZero() && !expires.After(now) {
		return InvalidField("expires_at", "expires-in-past", "The link would have expired already.")
	}
	return checkTime("expires_at", expires)
}

func checkOrder(starts, expires time.Time) *Problem {
	if !starts.IsZero() && !expires.IsZero() && !expires.After(starts) {
		return InvalidField("expires_at", "expires-before-start", "The link would expire before it starts.")
	}
	return nil
}

// toMillis returns t as links keep it.
func toMillis(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
