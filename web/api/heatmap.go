package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

func (a *API) routeHeatmap() {
	op := operation(http.MethodGet, "/analytics/heatmap", "get-heatmap", tagAnalytics, shortener.RoleReader, "Count clicks by hour of the week")
	op.Description = "All 168 hours that the wall clock of tz shows, Monday's first. Visitors are distinct within each."
	huma.Register(a.huma, op, a.heatmap)
}

// Heatmap counts clicks by the hour of the week.
type Heatmap struct {
	Results []HeatmapHour `json:"results"`
	Meta    HeatmapMeta   `json:"meta"`
}

// HeatmapHour is one hour of the week.
type HeatmapHour struct {
	Value   string `json:"value" doc:"Weekday and hour." example:"1T09"`
	Weekday int    `json:"weekday" doc:"1 for Monday to 7 for Sunday."`
	Hour    int    `json:"hour" doc:"0 to 23."`
	shortener.Totals
}

// HeatmapMeta tells what a heatmap is of.
type HeatmapMeta struct {
	Timezone   string     `json:"timezone"`
	From       *time.Time `json:"from" nullable:"true"`
	To         *time.Time `json:"to" nullable:"true" doc:"Exclusive."`
	AsOf       time.Time  `json:"as_of"`
	NextCursor *string    `json:"next_cursor" doc:"Always null: a heatmap has one page."`
}

func (a *API) heatmap(ctx context.Context, req *struct{ ClickParams }) (*struct{ Body Heatmap }, error) {
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	week, err := a.config.Clicks.Heatmap(ctx, q.query, q.span.loc)
	if err != nil {
		return nil, clickStoreErr(err)
	}
	out := Heatmap{Results: make([]HeatmapHour, len(week)), Meta: HeatmapMeta{
		Timezone: q.span.loc.String(), AsOf: a.now().UTC(), From: timeOrNull(q.span.from), To: timeOrNull(q.span.to),
	}}
	for i, t := range week {
		day, hour := i/24+1, i%24
		out.Results[i] = HeatmapHour{Value: fmt.Sprintf("%dT%02d", day, hour), Weekday: day, Hour: hour, Totals: t}
	}
	return &struct{ Body Heatmap }{out}, nil
}
