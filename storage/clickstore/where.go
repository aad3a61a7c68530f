package clickstore

import (
	"strings"
	"time"

	"snowlink/shortener"
)

// dimensions are the expressions of what clicks are broken down and filtered by.
var dimensions = map[shortener.Dimension]string{
	"country": "country", "region": "region", "city": "city", "referrer": "referrer_host", "referrer_url": "referrer",
	"channel": "channel", "browser": "browser", "os": "os", "device": "device", "language": "language", "bot": "bot",
	"utm_source": "utm_source", "utm_medium": "utm_medium", "utm_campaign": "utm_campaign", "utm_term": "utm_term",
	"utm_content": "utm_content", "domain": "domain", "rule": "rule",
	"code":   "CASE WHEN domain = '' THEN code ELSE domain || '/' || code END",
	"source": "CASE source WHEN 1 THEN 'qr' ELSE 'link' END",
}

// expression returns the expression of d, text of this file alone. An unknown one is Invalid.
func expression(d shortener.Dimension) (string, error) {
	if e, ok := dimensions[d]; ok {
		return e, nil
	}
	return "", shortener.InvalidField("dimension", "invalid-dimension", "Clicks have no dimension %q.", d)
}

// where is a WHERE clause that grows. Its text never holds a value: those are bound.
type where struct {
	clauses []string
	args    []any
}

func (w *where) and(clause string, args ...any) {
	w.clauses = append(w.clauses, clause)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.clauses) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(w.clauses, " AND ")
}

// selection returns the clause that keeps the clicks of q.
func selection(q shortener.ClickQuery) (where, error) {
	var w where
	if q.Refs != nil {
		w.refs(q.Refs)
	}
	if q.Domain != nil {
		w.and("domain = ?", text(*q.Domain))
	}
	w.between(q.From, q.To)
	switch q.Bots {
	case "", shortener.BotsInclude:
	case shortener.BotsExclude:
		w.and("bot = ''")
	case shortener.BotsOnly:
		w.and("bot <> ''")
	default:
		return w, shortener.InvalidField("bots", "invalid-bots", "Unknown value %q for bots: use include, exclude or only.", q.Bots)
	}
	for _, f := range q.Filters {
		e, err := expression(f.Dimension)
		if err != nil {
			return w, err
		}
		w.among(e, "IN", f.Any)
		w.among(e, "NOT IN", f.None)
	}
	return w, nil
}

// between keeps from <= at < to, where a zero time is no bound. Clicks have whole milliseconds, so a
// bound between two of them is that of the later one.
func (w *where) between(from, to time.Time) {
	if !from.IsZero() {
		w.and("at_ms >= ?", millisUp(from))
	}
	if !to.IsZero() {
		w.and("at_ms < ?", millisUp(to))
	}
}

func millisUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

func (w *where) refs(refs []shortener.Ref) {
	switch len(refs) {
	case 0:
		w.and("false")
	case 1:
		w.and("domain = ? AND code = ?", text(refs[0].Domain), text(refs[0].Code))
	default:
		domains, codes := make([]string, len(refs)), make([]string, len(refs))
		for i, r := range refs {
			domains[i], codes[i] = text(r.Domain), text(r.Code)
		}
		w.and("(domain, code) IN (SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))", domains, codes)
	}
}

// among keeps the rows whose e is in, or not in, values. Without values it keeps all.
func (w *where) among(e, operator string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = text(v)
	}
	w.and("("+e+") "+operator+" (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}
