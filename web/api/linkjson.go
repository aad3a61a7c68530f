package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// Link is a link as callers see it.
type Link struct {
	ID             string      `json:"id" doc:"Sortable by time of creation."`
	Code           string      `json:"code" example:"3fQ9zL2k"`
	Domain         string      `json:"domain" example:"sho.rt"`
	ShortURL       string      `json:"short_url" example:"https://sho.rt/3fQ9zL2k"`
	URL            string      `json:"url" doc:"The target, as it is sent." example:"https://example.com/a?b=c"`
	Title          string      `json:"title"`
	Note           string      `json:"note"`
	Tags           []string    `json:"tags"`
	Status         string      `json:"status" enum:"active,scheduled,expired,disabled,deleted"`
	RedirectStatus int         `json:"redirect_status" enum:"301,302,307,308"`
	StartsAt       *time.Time  `json:"starts_at" nullable:"true"`
	ExpiresAt      *time.Time  `json:"expires_at" nullable:"true" doc:"At this instant the link has expired."`
	MaxClicks      *int64      `json:"max_clicks" doc:"Not supported yet: always null."`
	FallbackURL    *string     `json:"fallback_url" doc:"Where visitors go once the link has ended, instead of 410."`
	HasPassword    bool        `json:"has_password" doc:"Not supported yet: always false."`
	ForwardQuery   bool        `json:"forward_query"`
	Rules          []any       `json:"rules" doc:"Not supported yet: always empty."`
	Version        int64       `json:"version" doc:"Counts the changes. The ETag is made of it."`
	CreatedAt      time.Time   `json:"created_at"`
	UpdatedAt      time.Time   `json:"updated_at"`
	CreatedBy      string      `json:"created_by" doc:"Id of the key that made it."`
	Clicks         *LinkClicks `json:"clicks" doc:"Over all time; null where they are not known: in histories, and while the click store does not answer."`
}

// TransformSchema says what struct tags cannot: that clicks may be null.
func (Link) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	clicks := s.Properties["clicks"]
	s.Properties["clicks"] = &huma.Schema{
		Description: clicks.Description, AnyOf: []*huma.Schema{{Ref: clicks.Ref}, {Type: "null"}},
	}
	return s
}

// LinkClicks are the clicks of a link.
type LinkClicks struct {
	Total  int64 `json:"total"`
	Humans int64 `json:"humans"`
	Bots   int64 `json:"bots"`
}

// show returns l as it is at now, with clicks unknown.
func (a *API) show(l shortener.Link, now time.Time) Link {
	out := Link{
		ID: l.ID, Code: l.Code, Domain: a.domainName(l.Domain), ShortURL: a.shortURL(l.Ref), URL: l.Target,
		Title: l.Title, Note: l.Note, Tags: l.Tags, Status: string(l.StatusAt(now)), RedirectStatus: l.RedirectStatus,
		StartsAt: timeOrNull(l.StartsAt), ExpiresAt: timeOrNull(l.ExpiresAt), ForwardQuery: l.ForwardQuery,
		Rules: []any{}, Version: l.Version, CreatedAt: l.CreatedAt.UTC(), UpdatedAt: l.UpdatedAt.UTC(), CreatedBy: l.CreatedBy,
	}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	if l.FallbackURL != "" {
		out.FallbackURL = &l.FallbackURL
	}
	return out
}

// showMade returns a link as the answer to its creation: the same however often that is repeated.
func (a *API) showMade(l shortener.Link) Link {
	out := a.show(l, l.UpdatedAt)
	out.Clicks = &LinkClicks{}
	return out
}

// showAll returns links with their clicks, which cost one query. A click store that is down takes the
// clicks away and not the links.
func (a *API) showAll(ctx context.Context, links []shortener.Link) []Link {
	out, refs := make([]Link, len(links)), make([]shortener.Ref, len(links))
	now := a.now()
	for i, l := range links {
		out[i], refs[i] = a.show(l, now), l.Ref
	}
	if len(links) == 0 {
		return out
	}
	totals, err := a.config.Clicks.LinkTotals(ctx, refs)
	if err != nil {
		a.log.WarnContext(ctx, "links are shown without clicks", "request", callOf(ctx).id, "error", err)
		return out
	}
	for i, ref := range refs {
		t := totals[ref]
		out[i].Clicks = &LinkClicks{Total: t.Clicks, Humans: t.Humans, Bots: t.Bots}
	}
	return out
}

func (a *API) showOne(ctx context.Context, l shortener.Link) Link {
	return a.showAll(ctx, []shortener.Link{l})[0]
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// domainName returns what a domain is called outside.
func (a *API) domainName(domain string) string {
	if domain == "" {
		return a.config.DefaultDomain
	}
	return domain
}

// shortURL returns the address at which visitors find the link.
func (a *API) shortURL(ref shortener.Ref) string {
	if ref.Domain == "" {
		return a.config.BaseURL + "/" + ref.Code
	}
	scheme, _, _ := strings.Cut(a.config.BaseURL, "://")
	return scheme + "://" + ref.Domain + "/" + ref.Code
}

// linkPath returns the address of the link in this interface.
func linkPath(ref shortener.Ref) string {
	path := prefix + "/links/" + url.PathEscape(ref.Code)
	if ref.Domain != "" {
		path += "?domain=" + url.QueryEscape(ref.Domain)
	}
	return path
}

func etag(version int64) string { return `"v` + strconv.FormatInt(version, 10) + `"` }

// LinkText is what may be said of a link besides its target.
type LinkText struct {
	Title          optional[string]            `json:"title,omitzero" doc:"For lists; up to 200 characters."`
	Note           optional[string]            `json:"note,omitzero" doc:"For those who manage the link; up to 2,000 characters."`
	Tags           optional[[]string]          `json:"tags,omitzero" doc:"Up to 20, of up to 50 characters each."`
	StartsAt       optional[time.Time]         `json:"starts_at,omitzero" doc:"Before it the link answers 404."`
	ExpiresAt      optional[time.Time]         `json:"expires_at,omitzero" doc:"From it on the link answers 410, or leads to fallback_url. Must be to come."`
	RedirectStatus optional[int]               `json:"redirect_status,omitzero" enum:"301,302,307,308" doc:"302 if not given. Browsers remember 301 and 308 for a while."`
	FallbackURL    optional[string]            `json:"fallback_url,omitzero" doc:"Where visitors go once the link has ended."`
	ForwardQuery   optional[bool]              `json:"forward_query,omitzero" doc:"Adds the visitor's query to the target's."`
	MaxClicks      optional[int64]             `json:"max_clicks,omitzero" doc:"Not supported yet: leave it out, or null."`
	Password       optional[string]            `json:"password,omitzero" doc:"Not supported yet: leave it out, or null."`
	Rules          optional[[]json.RawMessage] `json:"rules,omitzero" doc:"Not supported yet: leave it out, or empty."`
}

// unsupported refuses what is described and not built yet: a promise that nobody keeps is worse than
// none.
func (t LinkText) unsupported() error {
	var found shortener.Problems
	refuse := func(field, what string) {
		found = append(found, shortener.InvalidField(field, "not-supported-yet", "%s are not supported yet: leave %s out.", what, field))
	}
	if t.MaxClicks.Set && !t.MaxClicks.Null {
		refuse("max_clicks", "Limits of clicks")
	}
	if t.Password.Value != "" {
		refuse("password", "Passwords")
	}
	if len(t.Rules.Value) > 0 {
		refuse("rules", "Rules")
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// NewLink is the order for a link.
type NewLink struct {
	URL    string           `json:"url" doc:"The target: an absolute http or https URL, up to 8,192 bytes." example:"https://example.com/a?b=c"`
	Code   optional[string] `json:"code,omitzero" doc:"1 to 64 of A-Z, a-z, 0-9, _ and -; generated if not given."`
	Domain optional[string] `json:"domain,omitzero" doc:"One of the service's domains; the default one if not given."`
	LinkText
}

func (n NewLink) order() (shortener.NewLink, error) {
	return shortener.NewLink{
		URL: n.URL, Code: n.Code.Value, Domain: n.Domain.Value, Title: n.Title.Value, Note: n.Note.Value, Tags: n.Tags.Value,
		StartsAt: n.StartsAt.Value, ExpiresAt: n.ExpiresAt.Value, RedirectStatus: n.RedirectStatus.Value,
		FallbackURL: n.FallbackURL.Value, ForwardQuery: n.ForwardQuery.Value,
	}, n.unsupported()
}

// LinkPatch is a change of a link: what is given changes, null takes a value away.
type LinkPatch struct {
	URL    optional[string] `json:"url,omitzero" doc:"The new target."`
	Status optional[string] `json:"status,omitzero" enum:"active,disabled" doc:"A disabled link answers 404."`
	LinkText
}

func (p LinkPatch) order() (shortener.Patch, error) {
	out := shortener.Patch{
		URL: p.URL.pointer(), Title: p.Title.pointer(), Note: p.Note.pointer(), Tags: p.Tags.pointer(),
		StartsAt: p.StartsAt.patch(), ExpiresAt: p.ExpiresAt.patch(), RedirectStatus: p.RedirectStatus.pointer(),
		FallbackURL: p.FallbackURL.patch(), ForwardQuery: p.ForwardQuery.pointer(),
	}
	if p.Status.Set && !p.Status.Null {
		disabled := p.Status.Value == string(shortener.StatusDisabled)
		out.Disabled = &disabled
	}
	return out, p.unsupported()
}
