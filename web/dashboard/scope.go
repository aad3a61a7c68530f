package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"snowlink/shortener"
)

// scope is which clicks the screen of analytics is about. It is the query of the page's address, in the words
// of the REST interface; the tabs that are shown are beside it.
type scope struct {
	values   url.Values // of the REST interface
	own      url.Values // of this screen
	Interval string
	Range    string
}

// ranges are those to choose from.
var ranges = []string{"today", "yesterday", "24h", "7d", "28d", "90d", "mtd", "ytd", "12mo", "all"}

// rangeByDefault is what is shown unless something else is asked for.
const rangeByDefault = "28d"

const tabPrefix = "tab_"

func readScope(r *http.Request, v *visit) scope {
	s := scope{values: url.Values{}, own: url.Values{}}
	for name, values := range r.URL.Query() {
		switch {
		case strings.HasPrefix(name, tabPrefix), name == "interval":
			s.own[name] = values
		case len(values) > 0 && (values[0] != "" || slices.Contains(shortener.Dimensions, shortener.Dimension(name)) && name != "domain" && name != "code"):
			s.values[name] = values
		}
	}
	s.Interval = s.own.Get("interval")
	if s.values.Get("from") == "" && s.values.Get("to") == "" {
		s.Range = cmp.Or(s.values.Get("range"), rangeByDefault)
		s.values.Set("range", s.Range)
	}
	if s.values.Get("tz") == "" {
		s.values.Set("tz", v.Zone.String())
	}
	return s
}

// Params are the parameters for the REST interface. They are the caller's to change.
func (s scope) Params() url.Values { return cloneValues(s.values) }

func cloneValues(values url.Values) url.Values {
	out := make(url.Values, len(values))
	for name, v := range values {
		out[name] = slices.Clone(v)
	}
	return out
}

// tab returns the dimension that a card shows.
func (s scope) tab(c card) string {
	if wanted := s.own.Get(tabPrefix + strings.ToLower(c.Name)); slices.Contains(c.Tabs, wanted) {
		return wanted
	}
	return c.Tabs[0]
}

// address is the page with another query.
func (s scope) address(change func(values url.Values)) string {
	all := cloneValues(s.values)
	for name, v := range s.own {
		all[name] = slices.Clone(v)
	}
	change(all)
	return "/app/analytics?" + all.Encode()
}

// With returns the address at which one parameter has that value; "" takes it away.
func (s scope) With(name, value string) string {
	return s.address(func(values url.Values) {
		if name == "range" {
			values.Del("from")
			values.Del("to")
			values.Del("interval")
		}
		if value == "" {
			values.Del(name)
		} else {
			values.Set(name, value)
		}
	})
}

// Tab returns the address at which a card shows another dimension.
func (s scope) Tab(c card, dimension string) string {
	return s.With(tabPrefix+strings.ToLower(c.Name), dimension)
}

// Only returns the address at which none but the clicks with that value of a dimension are counted.
func (s scope) Only(dimension, value string) string {
	if dimension == "code" {
		return s.ofLink(value)
	}
	return s.address(func(values url.Values) { values[dimension] = []string{escapeFilter(value)} })
}

// Without returns the address at which the clicks with that value are not counted.
func (s scope) Without(dimension, value string) string {
	return s.address(func(values url.Values) {
		if before := values.Get(dimension); before != "" && strings.HasPrefix(before, "-") {
			values.Set(dimension, before+",-"+escapeFilter(value))
		} else {
			values[dimension] = []string{"-" + escapeFilter(value)}
		}
	})
}

// ofLink returns the address of the clicks of a link, as a breakdown names it: with its domain if that is not
// the default one.
func (s scope) ofLink(name string) string {
	return s.address(func(values url.Values) {
		domain, code, other := strings.Cut(name, "/")
		if !other {
			code = name
			values.Del("domain")
		} else {
			values.Set("domain", domain)
		}
		values.Set("code", code)
	})
}

// escapeFilter takes their meanings away from commas, backslashes and a leading minus.
func escapeFilter(value string) string {
	value = strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(value)
	if strings.HasPrefix(value, "-") {
		value = `\` + value
	}
	return value
}

// A Filter is one that is in force.
type Filter struct {
	Name, Value string
	Not         bool
	Remove      string // address without it
	Flip        string // address with its opposite
}

// Filters are those in force, for the chips.
func (s scope) Filters() (filters []Filter) {
	for name, values := range s.values {
		if name == "range" || name == "from" || name == "to" || name == "tz" || name == "bots" {
			continue
		}
		f := Filter{Name: name, Value: values[0], Remove: s.With(name, "")}
		if rest, not := strings.CutPrefix(values[0], "-"); not && name != "code" && name != "domain" && name != "tag" {
			f.Not, f.Value, f.Flip = true, rest, s.With(name, strings.ReplaceAll(rest, ",-", ","))
		} else if name != "code" && name != "domain" && name != "tag" {
			f.Flip = s.With(name, "-"+strings.ReplaceAll(values[0], ",", ",-"))
		}
		filters = append(filters, f)
	}
	slices.SortFunc(filters, func(a, b Filter) int { return cmp.Compare(a.Name, b.Name) })
	return filters
}

// Bots is the value of the filter by bots.
func (s scope) Bots() string { return cmp.Or(s.values.Get("bots"), "include") }

// Export returns the address of the same clicks as a file.
func (s scope) Export(format string) string {
	values := s.Params()
	values.Set("format", format)
	return "/app/export?" + values.Encode()
}
