package clicks

import (
	"slices"
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

// Expression returns the expression of d, text of this file alone. An unknown one is Invalid.
func Expression(d shortener.Dimension) (string, error) {
	if e, ok := dimensions[d]; ok {
		return e, nil
	}
	return "", shortener.InvalidField("dimension", "invalid-dimension", "Clicks have no dimension %q.", d)
}

// Where is a WHERE clause that grows. Its text never holds a value: those are bound, a ? each.
type Where struct {
	clauses []string
	args    []any
}

// And adds a clause and what its question marks stand for.
func (w *Where) And(clause string, args ...any) {
	w.clauses = append(w.clauses, clause)
	w.args = append(w.args, args...)
}

// Clone returns a copy that grows by itself.
func (w Where) Clone() Where { return Where{slices.Clone(w.clauses), slices.Clone(w.args)} }

// Args returns what the question marks of String stand for, and behind it more.
func (w Where) Args(more ...any) []any { return slices.Concat(w.args, more) }

// String returns the clause with its WHERE, or nothing if all is selected.
func (w Where) String() string {
	if len(w.clauses) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(w.clauses, " AND ")
}

// Selection returns the clause that keeps the clicks of q. Of two links or more, pairs makes a clause
// of the engine's.
func Selection(q shortener.ClickQuery, pairs func(w *Where, domains, codes []string)) (Where, error) {
	var w Where
	if q.Refs != nil {
		w.Refs(q.Refs, pairs)
	}
	if q.Domain != nil {
		w.And("domain = ?", Text(*q.Domain))
	}
	w.Between(q.From, q.To)
	switch q.Bots {
	case "", shortener.BotsInclude:
	case shortener.BotsExclude:
		w.And("bot = ''")
	case shortener.BotsOnly:
		w.And("bot <> ''")
	default:
		return w, shortener.InvalidField("bots", "invalid-bots", "Unknown value %q for bots: use include, exclude or only.", q.Bots)
	}
	for _, f := range q.Filters {
		e, err := Expression(f.Dimension)
		if err != nil {
			return w, err
		}
		w.among(e, "IN", f.Any)
		w.among(e, "NOT IN", f.None)
	}
	return w, nil
}

// Between keeps from <= at < to, where a zero time is no bound. Clicks have whole milliseconds, so a
// bound between two of them is that of the later one.
func (w *Where) Between(from, to time.Time) {
	if !from.IsZero() {
		w.And("at_ms >= ?", MillisUp(from))
	}
	if !to.IsZero() {
		w.And("at_ms < ?", MillisUp(to))
	}
}

// MillisUp returns the first whole millisecond at t or behind it, in Unix milliseconds.
func MillisUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// Refs keeps the clicks of the links; see Selection for pairs.
func (w *Where) Refs(refs []shortener.Ref, pairs func(w *Where, domains, codes []string)) {
	switch len(refs) {
	case 0:
		w.And("1 = 0")
	case 1:
		w.And("domain = ? AND code = ?", Text(refs[0].Domain), Text(refs[0].Code))
	default:
		domains, codes := make([]string, len(refs)), make([]string, len(refs))
		for i, r := range refs {
			domains[i], codes[i] = Text(r.Domain), Text(r.Code)
		}
		pairs(w, domains, codes)
	}
}

// among keeps the rows whose e is in, or not in, values. Without values it keeps all.
func (w *Where) among(e, operator string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = Text(v)
	}
	w.And("("+e+") "+operator+" (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}
