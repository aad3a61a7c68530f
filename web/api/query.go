package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

func (a *API) routeQuery() {
	op := operation(http.MethodPost, "/analytics/query", "query-clicks", tagAnalytics, shortener.RoleReader, "Ask a question about clicks")
	op.Description = "Counts clicks by several dimensions at once, time among them. Groups without clicks are left out. " +
		"By time first, the most clicks first within. With compare, each group has the metrics of the period before."
	takesBody(&op, a.config.Limits.MaxBody, bodyPatience)
	huma.Register(a.huma, op, a.query)
}

// timeDimension is the one that is not a value of a click.
const timeDimension = "time"

func (a *API) query(ctx context.Context, req *struct{ Body Question }) (*struct{ Body Answer }, error) {
	b := &req.Body
	b.setDefaults()
	q, err := a.selectClicks(ctx, b.params())
	if err != nil {
		return nil, in("body", err)
	}
	by, err := a.grouping(ctx, b, &q)
	if err != nil {
		return nil, err
	}
	scope, offset, err := a.placeOf(b)
	if err != nil {
		return nil, err
	}
	groups, total, err := a.groups(ctx, q.query, by, b.Limit, offset)
	if err != nil {
		return nil, clickStoreErr(err)
	}
	out := Answer{Results: make([]AnswerRow, len(groups)), Meta: AnswerMeta{
		Dimensions: b.Dimensions, Metrics: b.Metrics, Total: total, Timezone: q.span.loc.String(), AsOf: a.now().UTC(),
		From: timeOrNull(q.span.from), To: timeOrNull(q.span.to),
	}}
	if by.Interval != "" {
		interval := string(by.Interval)
		out.Meta.Interval = &interval
	}
	for i, g := range groups {
		out.Results[i] = AnswerRow{Dimensions: b.values(g, q.span.loc), Metrics: pick(b.Metrics, g.Totals)}
	}
	if err := a.compare(ctx, b, q, by, groups, out.Results); err != nil {
		return nil, err
	}
	if next := offset + len(groups); len(groups) > 0 && next < total {
		cursor, err := a.cursors.seal(scope, next)
		if err != nil {
			return nil, err
		}
		out.Meta.NextCursor = &cursor
	}
	return &struct{ Body Answer }{out}, nil
}

// grouping returns what the store is to count by. A question about time needs both ends.
func (a *API) grouping(ctx context.Context, b *Question, q *selection) (by shortener.Grouping, err error) {
	by.Zone = q.span.loc
	for _, d := range b.Dimensions {
		if d != timeDimension {
			by.Dimensions = append(by.Dimensions, shortener.Dimension(d))
		}
	}
	if !slices.Contains(b.Dimensions, timeDimension) {
		if b.Interval != "" {
			return by, in("body", shortener.InvalidField("interval", "invalid-interval", "An interval needs the dimension time."))
		}
		return by, nil
	}
	if b.Compare {
		return by, in("body", shortener.InvalidField("compare", "invalid-compare", "What is counted by time cannot be compared group by group: ask for both periods."))
	}
	bounded, err := a.bound(ctx, *q)
	if err != nil {
		return by, err
	}
	q.query = q.during(bounded)
	by.Interval = shortener.Interval(b.Interval)
	if by.Interval == "" {
		by.Interval = chooseInterval(bounded.from, bounded.to)
	}
	return by, checkBuckets(bounded, by.Interval)
}

// groups asks the store; without anything to count by the totals are the only group.
func (a *API) groups(ctx context.Context, q shortener.ClickQuery, by shortener.Grouping, limit, offset int) ([]shortener.Group, int, error) {
	if by.Interval != "" || len(by.Dimensions) > 0 {
		return a.config.Clicks.Groups(ctx, q, by, limit, offset)
	}
	totals, err := a.config.Clicks.Summary(ctx, q)
	return []shortener.Group{{Totals: totals}}, 1, err
}

// placeOf returns what a cursor of the question belongs to, and where its cursor leads.
func (a *API) placeOf(b *Question) (scope string, offset int, err error) {
	same := *b
	same.Cursor, same.Limit = "", 0
	raw, err := json.Marshal(same)
	if err != nil {
		return "", 0, err
	}
	scope = "query?" + string(raw)
	if b.Cursor != "" {
		err = a.cursors.open(scope, b.Cursor, &offset)
	}
	return scope, offset, err
}

// compare puts the metrics of the period before beside those of the groups on this page.
func (a *API) compare(ctx context.Context, b *Question, q selection, by shortener.Grouping, groups []shortener.Group, rows []AnswerRow) error {
	if !b.Compare {
		return nil
	}
	before, ok := q.span.previous(a.now())
	if !ok {
		return in("body", shortener.InvalidField("compare", "invalid-compare", "There is no period before a range without a length: choose another range."))
	}
	query := q.during(before)
	for i, d := range by.Dimensions { // these values, and perhaps others among them
		f := shortener.Filter{Dimension: d}
		for _, g := range groups {
			f.Any = append(f.Any, g.Values[i])
		}
		if slices.Sort(f.Any); len(f.Any) > 0 {
			f.Any = slices.Compact(f.Any)
			query.Filters = append(slices.Clone(query.Filters), f)
		}
	}
	past, _, err := a.groups(ctx, query, by, 0, 0)
	if err != nil {
		return clickStoreErr(err)
	}
	for i, g := range groups {
		rows[i].Comparison = pick(b.Metrics, shortener.Totals{})
		for _, p := range past {
			if slices.Equal(p.Values, g.Values) {
				rows[i].Comparison = pick(b.Metrics, p.Totals)
			}
		}
	}
	return nil
}

func pick(metrics []string, t shortener.Totals) map[string]int64 {
	all := map[string]int64{"clicks": t.Clicks, "humans": t.Humans, "bots": t.Bots, "visitors": t.Visitors}
	out := make(map[string]int64, len(metrics))
	for _, m := range metrics {
		out[m] = all[m]
	}
	return out
}
