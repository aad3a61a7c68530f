package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// ClickReader is the click store, as the calls of this package read it.
type ClickReader interface {
	ClickCounter
	LinkCounter
	ClickLog
}

// ClickCounter counts clicks.
type ClickCounter interface {
	Summary(ctx context.Context, q shortener.ClickQuery) (shortener.Totals, error)
	// Series returns the clicks of q in buckets of the wall clock of loc, empty ones too, over the
	// bounds of q. See shortener.BucketStarts.
	Series(ctx context.Context, q shortener.ClickQuery, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, error)
	// Heatmap returns the clicks of q by the hour of the week that the wall clock of loc showed.
	Heatmap(ctx context.Context, q shortener.ClickQuery, loc *time.Location) (shortener.HoursOfWeek, error)
	// Groups returns the clicks of q by several things at once, and how many groups there are. A limit of 0
	// is none.
	Groups(ctx context.Context, q shortener.ClickQuery, by shortener.Grouping, limit, offset int) (groups []shortener.Group, total int, err error)
	// Breakdown returns the clicks of q by the values of d, most clicks first, and how many values
	// there are.
	Breakdown(ctx context.Context, q shortener.ClickQuery, d shortener.Dimension, limit, offset int) (shares []shortener.Share, total int, err error)
}

// LinkCounter counts the clicks of links over all time.
type LinkCounter interface {
	// LinkTotals may leave links without clicks out.
	LinkTotals(ctx context.Context, refs []shortener.Ref) (map[shortener.Ref]shortener.Totals, error)
}

// ClickLog reads the clicks themselves.
type ClickLog interface {
	// Export calls fn with each click of q, oldest first, until fn returns an error.
	Export(ctx context.Context, q shortener.ClickQuery, fn func(shortener.StoredClick) error) error
	// Recent returns the last clicks of q, so many at most.
	Recent(ctx context.Context, q shortener.ClickQuery, limit int) ([]shortener.StoredClick, error)
	// Bounds returns the times of the first and the last click; zero times if there is none.
	Bounds(ctx context.Context) (first, last time.Time, err error)
}

func (a *API) routeAnalytics() {
	summary := operation(http.MethodGet, "/analytics/summary", "get-summary", tagAnalytics, shortener.RoleReader, "Count clicks")
	summary.Description = "With those of the period before, up to the same point as this one has come to, if the range has a length."
	huma.Register(a.huma, summary, a.summary)

	series := operation(http.MethodGet, "/analytics/timeseries", "get-timeseries", tagAnalytics, shortener.RoleReader, "Count clicks over time")
	series.Description = "Empty buckets are there. Visitors are distinct within each bucket."
	huma.Register(a.huma, series, a.timeseries)

	breakdown := operation(http.MethodGet, "/analytics/breakdown/{dimension}", "get-breakdown", tagAnalytics, shortener.RoleReader,
		"Count clicks by a dimension")
	breakdown.Description = "Most clicks first. The empty value is the unknown one."
	huma.Register(a.huma, breakdown, a.breakdown)
}

// clickStoreErr classifies an error of the click store: the caller can do nothing about it but wait.
func clickStoreErr(err error) error {
	if err == nil || shortener.KindOf(err) != shortener.Internal {
		return in("query", err)
	}
	return shortener.Errorf(shortener.Unavailable, "The click store does not answer. Clicks are kept meanwhile, and none is lost.").Wrap(err)
}

// Summary counts clicks.
type Summary struct {
	shortener.Totals
	Previous *PreviousSummary `json:"previous" doc:"The period before; null if the range has no length."`
	From     *time.Time       `json:"from" nullable:"true"`
	To       *time.Time       `json:"to" nullable:"true" doc:"Exclusive."`
	AsOf     time.Time        `json:"as_of"`
	Pending  int64            `json:"pending" doc:"Clicks that were answered and are still on their way into these figures."`
}

// PreviousSummary counts the clicks of the period before.
type PreviousSummary struct {
	shortener.Totals
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// TransformSchema says what struct tags cannot: that previous may be null.
func (Summary) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	previous := s.Properties["previous"]
	s.Properties["previous"] = &huma.Schema{
		Description: previous.Description, AnyOf: []*huma.Schema{{Ref: previous.Ref}, {Type: "null"}},
	}
	return s
}

func (a *API) summary(ctx context.Context, req *struct{ ClickParams }) (*struct{ Body Summary }, error) {
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	// What is pending is read first: a click that arrives meanwhile may be in both, and is never in neither.
	out := Summary{Pending: a.config.Pending(ctx), AsOf: a.now().UTC(), From: timeOrNull(q.span.from), To: timeOrNull(q.span.to)}
	if out.Totals, err = a.config.Clicks.Summary(ctx, q.query); err != nil {
		return nil, clickStoreErr(err)
	}
	if before, ok := q.span.previous(out.AsOf); ok {
		out.Previous = &PreviousSummary{From: before.from.UTC(), To: before.to.UTC()}
		if out.Previous.Totals, err = a.config.Clicks.Summary(ctx, q.during(before)); err != nil {
			return nil, clickStoreErr(err)
		}
	}
	return &struct{ Body Summary }{out}, nil
}

// Series counts clicks over time.
type Series struct {
	Results []SeriesBucket `json:"results"`
	Meta    SeriesMeta     `json:"meta"`
}

// SeriesBucket is one step of a series.
type SeriesBucket struct {
	Start time.Time `json:"start" doc:"First instant of the bucket, in the zone of tz."`
	shortener.Totals
}

// SeriesMeta tells what a series is of.
type SeriesMeta struct {
	Interval   string     `json:"interval" enum:"minute,hour,day,week,month"`
	Timezone   string     `json:"timezone"`
	From       *time.Time `json:"from" nullable:"true"`
	To         *time.Time `json:"to" nullable:"true" doc:"Exclusive."`
	AsOf       time.Time  `json:"as_of"`
	NextCursor *string    `json:"next_cursor" doc:"Always null: a series has one page."`
}

func (a *API) timeseries(ctx context.Context, req *struct {
	ClickParams
	Interval string `query:"interval" enum:"minute,hour,day,week,month" doc:"Width of a bucket; chosen by the length of the range if not given. Weeks begin on Monday."`
},
) (*struct{ Body Series }, error) {
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	bounded, err := a.bound(ctx, q)
	if err != nil {
		return nil, err
	}
	interval := shortener.Interval(req.Interval)
	if interval == "" {
		interval = chooseInterval(bounded.from, bounded.to)
	}
	if err := checkBuckets(bounded, interval); err != nil {
		return nil, err
	}
	buckets, err := a.config.Clicks.Series(ctx, q.during(bounded), interval, q.span.loc)
	if err != nil {
		return nil, clickStoreErr(err)
	}
	out := Series{Results: make([]SeriesBucket, len(buckets)), Meta: SeriesMeta{
		Interval: string(interval), Timezone: q.span.loc.String(), AsOf: a.now().UTC(),
		From: timeOrNull(bounded.from), To: timeOrNull(bounded.to),
	}}
	for i, b := range buckets {
		out.Results[i] = SeriesBucket{Start: b.Start.In(q.span.loc), Totals: b.Totals}
	}
	return &struct{ Body Series }{out}, nil
}

// bound returns the span of q with both of its ends: a series without an end has those of the clicks
// and of the links they are of.
func (a *API) bound(ctx context.Context, q selection) (span, error) {
	s := q.span
	if !s.from.IsZero() && !s.to.IsZero() {
		return s, nil
	}
	first, last, err := a.config.Clicks.Bounds(ctx)
	if err != nil {
		return s, clickStoreErr(err)
	}
	now := a.now()
	if s.to.IsZero() {
		if s.to = now; last.After(now) {
			s.to = last
		}
		s.to = s.to.Add(time.Millisecond)
	}
	if s.from.IsZero() {
		s.from = oldest(first, q)
		if s.from.IsZero() || !s.from.Before(s.to) {
			y, m, d := s.to.Add(-1).In(s.loc).Date()
			s.from = startOfDay(y, m, d, s.loc)
		}
	}
	return s, nil
}

// oldest returns when the clicks of q may have begun, given the first of all: not before its links
// were made. A minute is left for clocks that differ.
func oldest(first time.Time, q selection) time.Time {
	if len(q.links) == 0 || len(q.links) < len(q.query.Refs) {
		return first
	}
	made := q.links[0].CreatedAt
	for _, l := range q.links[1:] {
		if l.CreatedAt.Before(made) {
			made = l.CreatedAt
		}
	}
	if made = made.Add(-time.Minute); made.After(first) {
		return made
	}
	return first
}

func checkBuckets(s span, interval shortener.Interval) error {
	starts, err := shortener.BucketStarts(s.from, s.to, interval, s.loc)
	if err == nil && len(starts)-1 > maxSeries {
		err = shortener.InvalidField("interval", "too-many-buckets",
			"The range has more than %d buckets: choose a wider interval or a shorter range.", maxSeries)
	}
	return in("query", err)
}

// Breakdown counts clicks by a dimension.
type Breakdown struct {
	Results []BreakdownRow `json:"results"`
	Meta    BreakdownMeta  `json:"meta"`
}

// BreakdownRow is one value of a dimension.
type BreakdownRow struct {
	Value string `json:"value"`
	shortener.Totals
}

// BreakdownMeta tells what a breakdown is of.
type BreakdownMeta struct {
	Dimension  string     `json:"dimension"`
	Total      int        `json:"total" doc:"How many values there are."`
	From       *time.Time `json:"from" nullable:"true"`
	To         *time.Time `json:"to" nullable:"true" doc:"Exclusive."`
	AsOf       time.Time  `json:"as_of"`
	NextCursor *string    `json:"next_cursor" doc:"For the page that follows; null on the last one."`
}

type breakdownInput struct {
	Dimension string `path:"dimension" doc:"What to count by." enum:"country,region,city,referrer,referrer_url,channel,browser,os,device,language,bot,utm_source,utm_medium,utm_campaign,utm_term,utm_content,code,domain,rule,source,tag"`
	ClickParams
	Page
}

func (a *API) breakdown(ctx context.Context, req *breakdownInput) (*struct{ Body Breakdown }, error) {
	dimension := shortener.Dimension(req.Dimension)
	if dimension == "tag" {
		return nil, in("path", shortener.InvalidField("dimension", "not-supported-yet",
			"Counting by tag is not supported yet: count one tag by the parameter tag."))
	}
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	var offset int
	if req.Cursor != "" {
		if err := a.cursors.open(req.scope, req.Cursor, &offset); err != nil {
			return nil, err
		}
	}
	shares, total, err := a.config.Clicks.Breakdown(ctx, q.query, dimension, req.Limit, offset)
	if err != nil {
		return nil, clickStoreErr(err)
	}
	out := Breakdown{Results: make([]BreakdownRow, len(shares)), Meta: BreakdownMeta{
		Dimension: req.Dimension, Total: total, AsOf: a.now().UTC(), From: timeOrNull(q.span.from), To: timeOrNull(q.span.to),
	}}
	for i, s := range shares {
		out.Results[i] = BreakdownRow{Value: s.Value, Totals: s.Totals}
	}
	if next := offset + len(shares); len(shares) > 0 && next < total {
		cursor, err := a.cursors.seal(req.scope, next)
		if err != nil {
			return nil, err
		}
		out.Meta.NextCursor = &cursor
	}
	return &struct{ Body Breakdown }{out}, nil
}
