package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"snowlink/web/api"
)

// analytics is the screen that tells what happened to links: to all, or to those that its address selects.
type analytics struct {
	Scope   scope
	Summary panel[api.Summary]
	Series  panel[api.Series]
	Heatmap panel[api.Heatmap]
	Cards   []card
}

// panel is a part of the screen, which may fail while the others live on.
type panel[T any] struct {
	Data    T
	Problem *api.Problem
}

// load asks the REST interface for the panel's data.
func (p *panel[T]) load(ctx context.Context, c client, path string, params url.Values) {
	err := c.get(ctx, path, params, &p.Data)
	if err == nil {
		return
	}
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		problem = &api.Problem{Status: http.StatusInternalServerError, Title: "Internal Server Error", Detail: err.Error()}
	}
	p.Problem = problem
}

// card shows the values of one dimension, and has a tab for each of its dimensions.
type card struct {
	Name      string
	Tabs      []string
	Dimension string // of the tab that is shown
	Rows      panel[api.Breakdown]
}

// cards are what the screen breaks clicks down by.
var cards = []card{
	{Name: "Links", Tabs: []string{"code", "domain"}},
	{Name: "Sources", Tabs: []string{"channel", "referrer", "referrer_url", "utm_source", "utm_medium", "utm_campaign"}},
	{Name: "Places", Tabs: []string{"country", "region", "city"}},
	{Name: "Devices", Tabs: []string{"device", "browser", "os", "language"}},
	{Name: "Bots", Tabs: []string{"bot"}},
}

// cardRows is how many values a card shows.
const cardRows = "8"

func (d *Dashboard) analytics(w http.ResponseWriter, r *http.Request, v *visit) error {
	a := analytics{Scope: readScope(r, v), Cards: make([]card, len(cards))}
	params := a.Scope.Params()
	if err := v.get(r.Context(), "/analytics/summary", params, &a.Summary.Data); err != nil {
		problem, ok := errors.AsType[*api.Problem](err)
		if !ok || problem.Status < http.StatusInternalServerError { // what is asked for is wrong, and so it is for each panel
			return err
		}
		a.Summary.Problem = problem
	}
	var all sync.WaitGroup
	all.Go(func() {
		asked := a.Scope.Params()
		if a.Scope.Interval != "" {
			asked.Set("interval", a.Scope.Interval)
		}
		a.Series.load(r.Context(), v.client, "/analytics/timeseries", asked)
	})
	all.Go(func() { a.Heatmap.load(r.Context(), v.client, "/analytics/heatmap", params) })
	for i := range cards {
		one := &a.Cards[i]
		*one = cards[i]
		one.Dimension = a.Scope.tab(*one)
		all.Go(func() {
			asked := a.Scope.Params()
			asked.Set("limit", cardRows)
			if one.Dimension == "bot" {
				asked.Set("bots", "only")
			}
			one.Rows.load(r.Context(), v.client, "/analytics/breakdown/"+one.Dimension, asked)
		})
	}
	all.Wait()
	d.write(w, r, http.StatusOK, "analytics", v.T("Analytics"), "analytics", v, a)
	return nil
}
