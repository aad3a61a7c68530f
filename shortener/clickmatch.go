package shortener

import "slices"

// Of returns the value of d that a click is counted under; "" if it has none, or d is unknown.
func (d Dimension) Of(c *StoredClick) string {
	if value, ok := dimensionValues[d]; ok {
		return value(c)
	}
	return ""
}

var dimensionValues = map[Dimension]func(c *StoredClick) string{
	"country":      func(c *StoredClick) string { return c.Country },
	"region":       func(c *StoredClick) string { return c.Region },
	"city":         func(c *StoredClick) string { return c.City },
	"referrer":     func(c *StoredClick) string { return c.ReferrerHost },
	"referrer_url": func(c *StoredClick) string { return c.Referrer },
	"channel":      func(c *StoredClick) string { return c.Channel },
	"browser":      func(c *StoredClick) string { return c.Browser },
	"os":           func(c *StoredClick) string { return c.OS },
	"device":       func(c *StoredClick) string { return c.Device },
	"language":     func(c *StoredClick) string { return c.Language },
	"bot":          func(c *StoredClick) string { return c.Bot },
	"utm_source":   func(c *StoredClick) string { return c.UTM.Source },
	"utm_medium":   func(c *StoredClick) string { return c.UTM.Medium },
	"utm_campaign": func(c *StoredClick) string { return c.UTM.Campaign },
	"utm_term":     func(c *StoredClick) string { return c.UTM.Term },
	"utm_content":  func(c *StoredClick) string { return c.UTM.Content },
	"code":         codeValue,
	"domain":       func(c *StoredClick) string { return c.Ref.Domain },
	"rule":         func(c *StoredClick) string { return c.Rule },
	"source":       func(c *StoredClick) string { return c.Source.String() },
}

func codeValue(c *StoredClick) string {
	if c.Ref.Domain == "" {
		return c.Ref.Code
	}
	return c.Ref.Domain + "/" + c.Ref.Code
}

// Matches reports whether q selects c: what a click store does for many, done for one.
func (q ClickQuery) Matches(c *StoredClick) bool {
	switch {
	case q.Refs != nil && !slices.Contains(q.Refs, c.Ref),
		q.Domain != nil && *q.Domain != c.Ref.Domain,
		!q.From.IsZero() && c.At.Before(q.From),
		!q.To.IsZero() && !c.At.Before(q.To),
		q.Bots == BotsExclude && c.Bot != "",
		q.Bots == BotsOnly && c.Bot == "":
		return false
	}
	for _, f := range q.Filters {
		value := f.Dimension.Of(c)
		if len(f.Any) > 0 && !slices.Contains(f.Any, value) || slices.Contains(f.None, value) {
			return false
		}
	}
	return true
}
