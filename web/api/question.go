package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// Question asks for clicks.
type Question struct {
	Metrics    []string           `json:"metrics,omitempty" maxItems:"4" enum:"clicks,humans,bots,visitors" doc:"All of them if not given."`
	Dimensions []string           `json:"dimensions,omitempty" maxItems:"4" enum:"time,country,region,city,referrer,referrer_url,channel,browser,os,device,language,bot,utm_source,utm_medium,utm_campaign,utm_term,utm_content,code,domain,rule,source" doc:"What to count by; the totals alone if not given."`
	Range      rangeOf            `json:"range,omitzero"`
	Timezone   string             `json:"timezone,omitempty" doc:"Of days and buckets; UTC if not given." example:"Europe/Stockholm"`
	Interval   string             `json:"interval,omitempty" enum:"minute,hour,day,week,month" doc:"Of the dimension time; chosen by the length of the range if not given."`
	Filters    map[string]anyText `json:"filters,omitempty" doc:"By the names of the query parameters of the other calls: dimensions, code, domain, tag and bots. A value is text as there, or a list of such."`
	Compare    comparison         `json:"compare,omitzero"`
	Limit      int                `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"How many groups at most; 100 if not given."`
	Cursor     string             `json:"cursor,omitempty" maxLength:"1000" doc:"The next_cursor of the page before; the rest of the question must be the same."`
}

// Answer is what a question comes to.
type Answer struct {
	Results []AnswerRow `json:"results"`
	Meta    AnswerMeta  `json:"meta"`
}

// AnswerRow is one group.
type AnswerRow struct {
	Dimensions []string         `json:"dimensions" doc:"Values, in the order of the question; time is the first instant of its bucket."`
	Metrics    map[string]int64 `json:"metrics"`
	Comparison map[string]int64 `json:"comparison" nullable:"true" doc:"The metrics of the period before; null unless it was asked for."`
}

// AnswerMeta tells what an answer is of.
type AnswerMeta struct {
	Dimensions []string   `json:"dimensions"`
	Metrics    []string   `json:"metrics"`
	Total      int        `json:"total" doc:"How many groups there are."`
	Timezone   string     `json:"timezone"`
	Interval   *string    `json:"interval" nullable:"true" doc:"Of the dimension time."`
	From       *time.Time `json:"from" nullable:"true"`
	To         *time.Time `json:"to" nullable:"true" doc:"Exclusive."`
	AsOf       time.Time  `json:"as_of"`
	NextCursor *string    `json:"next_cursor" doc:"For the page that follows; null on the last one."`
}

func (b *Question) setDefaults() {
	if len(b.Metrics) == 0 {
		b.Metrics = []string{"clicks", "humans", "bots", "visitors"}
	}
	if b.Dimensions == nil {
		b.Dimensions = []string{}
	}
	setDefault(&b.Timezone, "UTC")
	setDefault(&b.Limit, 100)
}

// params are the question in the words of the other calls.
func (b *Question) params() *ClickParams {
	p := &ClickParams{Range: b.Range.Name, From: b.Range.From, To: b.Range.To, TZ: b.Timezone}
	text := func(name string) string { return strings.Join(b.Filters[name], ",") }
	p.Code, p.Domain, p.Tag, p.Bots = text("code"), text("domain"), text("tag"), text("bots")
	for _, d := range shortener.Dimensions {
		if values, ok := b.Filters[string(d)]; ok && d != "code" && d != "domain" {
			f := shortener.Filter{Dimension: d}
			for _, text := range values {
				readFilter(&f, text)
			}
			p.filters = append(p.filters, f)
		}
	}
	return p
}

// Resolve refuses filters by what clicks do not have, and dimensions that stand there twice.
func (b *Question) Resolve(huma.Context, *huma.PathBuffer) []error {
	var faults []error
	for name := range b.Filters {
		if !slices.Contains([]string{"tag", "bots"}, name) && !shortener.ValidDimension(shortener.Dimension(name)) {
			faults = append(faults, &huma.ErrorDetail{Location: "body.filters." + name, Message: "clicks cannot be filtered by " + name, Value: name})
		}
	}
	switch bots := strings.Join(b.Filters["bots"], ","); bots {
	case "", "include", "exclude", "only":
	default:
		faults = append(faults, &huma.ErrorDetail{Location: "body.filters.bots", Message: "use include, exclude or only", Value: bots})
	}
	for i, d := range b.Dimensions {
		if slices.Contains(b.Dimensions[:i], d) {
			faults = append(faults, &huma.ErrorDetail{Location: "body.dimensions", Message: d + " is there twice", Value: d})
		}
	}
	return faults
}

// values are those of a group in the order of the question.
func (b *Question) values(g shortener.Group, loc *time.Location) []string {
	out, rest := make([]string, len(b.Dimensions)), g.Values
	for i, d := range b.Dimensions {
		if d == timeDimension {
			out[i] = g.Start.In(loc).Format(time.RFC3339)
		} else {
			out[i], rest = rest[0], rest[1:]
		}
	}
	return out
}

// rangeOf is the name of a range, or its ends.
type rangeOf struct {
	Name string `json:"-"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// UnmarshalJSON reads either form.
func (r *rangeOf) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		return json.Unmarshal(raw, &r.Name)
	}
	type ends rangeOf
	return json.Unmarshal(raw, (*ends)(r))
}

// MarshalJSON writes it as it was read.
func (r rangeOf) MarshalJSON() ([]byte, error) {
	if r.Name != "" {
		return json.Marshal(r.Name)
	}
	type ends rangeOf
	return json.Marshal(ends(r))
}

// Schema is a name or an object.
func (rangeOf) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: "string"}
	return &huma.Schema{Description: "The name of a range, or from and to as the other calls take them; all if not given.", OneOf: []*huma.Schema{
		{Type: "string", Enum: []any{"today", "yesterday", "24h", "7d", "28d", "90d", "mtd", "12mo", "ytd", "all"}},
		{Type: "object", Properties: map[string]*huma.Schema{"from": text, "to": text}, AdditionalProperties: false},
	}}
}

// anyText is one text or several.
type anyText []string

// UnmarshalJSON reads either form.
func (t *anyText) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		*t = anyText{""}
		return json.Unmarshal(raw, &(*t)[0])
	}
	return json.Unmarshal(raw, (*[]string)(t))
}

// Schema is text or a list.
func (anyText) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: "string"}
	few := 1000
	return &huma.Schema{OneOf: []*huma.Schema{text, {Type: "array", Items: text, MaxItems: &few}}}
}

// comparison is whether to compare: true, or the name of the only period there is to compare with.
type comparison bool

// UnmarshalJSON reads either form.
func (c *comparison) UnmarshalJSON(raw []byte) error {
	if string(raw) == `"previous"` {
		*c = true
		return nil
	}
	return json.Unmarshal(raw, (*bool)(c))
}

// Schema is a boolean or a name.
func (comparison) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Whether each group has the metrics of the period before beside its own.", OneOf: []*huma.Schema{
		{Type: "boolean"}, {Type: "string", Enum: []any{"previous"}},
	}}
}
