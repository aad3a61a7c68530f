package api

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are needed on machines that have none

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// ClickParams select clicks. Each dimension is a parameter of its own.
type ClickParams struct {
	Code   string `query:"code" doc:"Only clicks of this link; several are separated by commas."`
	Domain string `query:"domain" doc:"Only clicks of this domain. With code it is the links' domain, the default one if not given."`
	Tag    string `query:"tag" doc:"Only clicks of links that have this tag now."`

	Range string `query:"range" enum:"today,yesterday,24h,7d,28d,90d,mtd,12mo,ytd,all" doc:"all if neither range nor from nor to is given. Days are those of tz, the current one included."`
	From  string `query:"from" doc:"Instead of range: RFC 3339, or a date, which is its first instant in tz. Inclusive." example:"2026-11-01"`
	To    string `query:"to" doc:"As from; exclusive." example:"2026-12-01T00:00:00Z"`
	TZ    string `query:"tz" default:"UTC" doc:"Time zone of days and buckets, by its IANA name." example:"Europe/Stockholm"`
	Bots  string `query:"bots" enum:"include,exclude,only" default:"include" doc:"Whether programs are counted. They are told apart from people in every answer."`

	Country     string `query:"country" doc:"ISO 3166-1 alpha-2. As every filter: any of GB,SE; none of -US; empty is unknown; a backslash before a comma or a leading minus takes its meaning away."`
	Region      string `query:"region"`
	City        string `query:"city"`
	Referrer    string `query:"referrer" doc:"Host of the referring page; empty for none."`
	ReferrerURL string `query:"referrer_url" doc:"Host and path of the referring page."`
	Channel     string `query:"channel" doc:"direct, search, social, mail, ai, ads, referral or internal."`
	Browser     string `query:"browser"`
	OS          string `query:"os"`
	Device      string `query:"device" doc:"desktop, mobile, tablet, tv, bot or other."`
	Language    string `query:"language"`
	Bot         string `query:"bot" doc:"Empty for people; preview, search, ai, monitor, library, prefetch, head or other."`
	UTMSource   string `query:"utm_source"`
	UTMMedium   string `query:"utm_medium"`
	UTMCampaign string `query:"utm_campaign"`
	UTMTerm     string `query:"utm_term"`
	UTMContent  string `query:"utm_content"`
	Rule        string `query:"rule" doc:"What decided: fallback, or empty."`
	Source      string `query:"source" doc:"link or qr."`

	filters []shortener.Filter
}

// Resolve reads the filters out of the query, where an empty one differs from none.
func (p *ClickParams) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	p.filters = readFilters(u.Query())
	return nil
}

func readFilters(query url.Values) (filters []shortener.Filter) {
	for _, d := range shortener.Dimensions {
		if d == "code" || d == "domain" {
			continue // these are links' names, in which a minus is a letter
		}
		values, ok := query[string(d)]
		if !ok {
			continue
		}
		f := shortener.Filter{Dimension: d}
		for _, text := range values {
			readFilter(&f, text)
		}
		filters = append(filters, f)
	}
	return filters
}

// readFilter adds what text asks for: values between commas, those behind a minus not to be had. A
// backslash takes the meaning of the character behind it away.
func readFilter(f *shortener.Filter, text string) {
	for {
		rest, none := strings.CutPrefix(text, "-")
		var value strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != ','; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			value.WriteByte(rest[i])
		}
		if none {
			f.None = append(f.None, value.String())
		} else {
			f.Any = append(f.Any, value.String())
		}
		if i >= len(rest) {
			return
		}
		text = rest[i+1:]
	}
}

// selection is what ClickParams select.
type selection struct {
	query shortener.ClickQuery
	span  span
	links []shortener.Link // those that code names, as far as the event store answers
}

// during returns the query with the bounds of s.
func (q selection) during(s span) shortener.ClickQuery {
	q.query.From, q.query.To = s.from, s.to
	return q.query
}

func (a *API) selectClicks(ctx context.Context, p *ClickParams) (out selection, err error) {
	if out.span, err = a.readSpan(p); err != nil {
		return out, in("query", err)
	}
	out.query = shortener.ClickQuery{From: out.span.from, To: out.span.to, Bots: shortener.BotFilter(p.Bots), Filters: p.filters}
	domain, err := a.config.Links.Ref(p.Domain, "")
	if err != nil {
		return out, in("query", err)
	}
	if p.Domain != "" {
		out.query.Domain = &domain.Domain
	}
	if p.Code != "" {
		if err := a.selectLinks(ctx, p.Code, domain.Domain, &out); err != nil {
			return out, err
		}
	}
	if p.Tag != "" {
		return out, a.selectTagged(ctx, p.Tag, &out.query)
	}
	return out, nil
}

// maxCodes is how many links one query may name.
const maxCodes = 1000

// selectLinks takes the links that are named into the query. A link that never was is NotFound; that
// the event store does not answer is no reason not to count.
func (a *API) selectLinks(ctx context.Context, codes, domain string, out *selection) error {
	out.query.Domain, out.query.Refs = nil, []shortener.Ref{}
	names := strings.Split(codes, ",")
	if len(names) > maxCodes {
		return in("query", shortener.InvalidField("code", "too-many", "%d codes are given, and %d are allowed.", len(names), maxCodes))
	}
	for _, code := range names {
		ref := shortener.Ref{Domain: domain, Code: code}
		if !shortener.ValidCode(code) {
			return shortener.Errorf(shortener.NotFound, "There is no link %q: that is not the form of a code.", code)
		}
		link, err := a.config.Links.Link(ctx, ref)
		if shortener.KindOf(err) == shortener.NotFound && err != nil {
			return err
		}
		if err == nil {
			out.links = append(out.links, link)
		}
		out.query.Refs = append(out.query.Refs, ref)
	}
	return nil
}

// maxTagged bounds the links that a tag may select: each is named in the query.
const maxTagged = 50_000

// selectTagged keeps the links with the tag, deleted ones too: their clicks did happen.
func (a *API) selectTagged(ctx context.Context, tag string, q *shortener.ClickQuery) error {
	tagged := map[shortener.Ref]bool{}
	for _, status := range []shortener.Status{"", shortener.StatusDeleted} {
		find := shortener.LinkQuery{Tag: tag, Status: status, Domain: q.Domain, Limit: maxPage, Now: a.now()}
		for {
			links, err := a.config.List.List(ctx, find)
			if err != nil {
				return err
			}
			for _, l := range links {
				tagged[l.Ref] = true
			}
			if len(tagged) > maxTagged {
				return in("query", shortener.InvalidField("tag", "too-many", "More than %d links have this tag.", maxTagged))
			}
			if len(links) < find.Limit {
				break
			}
			last := links[len(links)-1]
			find.After = &shortener.LinkPosition{At: last.CreatedAt, ID: last.ID}
		}
	}
	if q.Refs != nil {
		q.Refs = slices.DeleteFunc(q.Refs, func(ref shortener.Ref) bool { return !tagged[ref] })
		return nil
	}
	q.Refs = make([]shortener.Ref, 0, len(tagged))
	for ref := range tagged {
		q.Refs = append(q.Refs, ref)
	}
	return nil
}

func (a *API) readSpan(p *ClickParams) (span, error) {
	loc, err := readZone(p.TZ)
	if err != nil {
		return span{}, err
	}
	if p.From == "" && p.To == "" {
		return spanNamed(p.Range, a.now(), loc), nil
	}
	if p.Range != "" {
		return span{}, shortener.InvalidField("range", "invalid-range", "Use either range, or from and to.")
	}
	from, err := readInstant("from", p.From, loc)
	if err != nil {
		return span{}, err
	}
	to, err := readInstant("to", p.To, loc)
	if err != nil {
		return span{}, err
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return span{}, shortener.InvalidField("to", "invalid-range", "to must be later than from.")
	}
	return exactSpan(from, to, loc), nil
}

func readZone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" || name == "" { // Local is this machine's, and nobody's business
		return nil, shortener.InvalidField("tz", "invalid-time-zone", "There is no time zone %q: use a name such as Europe/Stockholm.", name)
	}
	return loc, nil
}

// firstYear is before every click, and not so early that zones have no offset.
const firstYear = 1970

var errNoInstant = errors.New("neither RFC 3339 nor a date")

func readInstant(field, text string, loc *time.Location) (time.Time, error) {
	t, err := parseInstant(text, loc)
	if err != nil {
		return t, shortener.InvalidField(field, "invalid-time", "%q is not a time: use 2026-11-01 or 2026-11-01T12:00:00Z.", text).Wrap(err)
	}
	return t, nil
}

func parseInstant(text string, loc *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Year() >= firstYear {
		return t, nil
	}
	if d, err := time.Parse(time.DateOnly, text); err == nil && d.Year() >= firstYear {
		return startOfDay(d.Year(), d.Month(), d.Day(), loc), nil
	}
	return time.Time{}, errNoInstant
}
