package dashboard

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"snowlink/web/api"
	"snowlink/web/dashboard/chart"
)

// Change tells how a number differs from that of the period before, in words: never by colour alone.
func (v *visit) Change(now int64, before int64) string {
	switch {
	case before == 0 && now == 0:
		return v.T("as before: none")
	case before == 0:
		return v.T("none before")
	case now == before:
		return v.T("as before: %d", before)
	case now > before:
		return v.T("up %s %%, from %d", percent(now-before, before), before)
	}
	return v.T("down %s %%, from %d", percent(before-now, before), before)
}

func percent(part, whole int64) string {
	share := 100 * float64(part) / float64(whole)
	if share < 10 {
		return fmt.Sprintf("%.1f", share)
	}
	return fmt.Sprintf("%.0f", share)
}

// SeriesChart draws the clicks of people and of bots over time.
func (v *visit) SeriesChart(s api.Series) template.HTML {
	figure := chart.Time{
		ID: "series", Title: v.T("Clicks over time"), Summary: v.SeriesSummary(s), Number: v.N,
		Series: []chart.Series{{Name: v.T("Clicks with bots"), Class: "bots"}, {Name: v.T("Humans"), Class: "humans", Area: true}},
	}
	every := max(1, len(s.Results)/8)
	for i, b := range s.Results {
		p := chart.Point{Label: v.bucketLabel(b.Start, s.Meta.Interval), Values: []int64{b.Clicks, b.Humans}}
		if i%every == every/2 {
			p.Tick = v.tickLabel(b.Start, s.Meta.Interval)
		}
		figure.Points = append(figure.Points, p)
	}
	return figure.SVG()
}

// SeriesSummary says in a sentence what the figure shows.
func (v *visit) SeriesSummary(s api.Series) string {
	var sum, peak int64
	var at time.Time
	for _, b := range s.Results {
		sum += b.Humans
		if b.Humans > peak {
			peak, at = b.Humans, b.Start
		}
	}
	if sum == 0 {
		return v.T("No clicks of people in this time.")
	}
	return v.T("%d clicks of people; the peak is %d, at %s.", sum, peak, v.bucketLabel(at, s.Meta.Interval))
}

// BucketLabel names a bucket in a table.
func (v *visit) BucketLabel(start time.Time, interval string) string {
	return v.bucketLabel(start, interval)
}

func (v *visit) bucketLabel(start time.Time, interval string) string {
	switch interval {
	case "minute", "hour":
		return start.Format(v.T("2 Jan 2006, 15:04"))
	case "month":
		return start.Format("January 2006")
	}
	return start.Format(v.T("2 Jan 2006"))
}

func (v *visit) tickLabel(start time.Time, interval string) string {
	switch interval {
	case "minute", "hour":
		return start.Format("15:04")
	case "month":
		return start.Format("Jan 06")
	}
	return start.Format(v.T("2 Jan"))
}

// Share draws how much of the whole a row has.
func (v *visit) Share(part, whole int64) template.HTML { return chart.Bar(part, whole) }

// HeatmapDay is a row of the heatmap.
type HeatmapDay struct {
	Name  string
	Hours []HeatmapCell
}

// HeatmapCell is one hour. Level is 0 to 5.
type HeatmapCell struct {
	Clicks int64
	Level  int
}

// HeatmapDays are the rows of a heatmap of the clicks of people.
func (v *visit) HeatmapDays(h api.Heatmap) []HeatmapDay {
	all := make([]int64, len(h.Results))
	for i, hour := range h.Results {
		all[i] = hour.Humans
	}
	days := make([]HeatmapDay, 0, 7)
	for i, hour := range h.Results {
		if hour.Hour == 0 {
			days = append(days, HeatmapDay{Name: v.T(time.Weekday(hour.Weekday % 7).String())})
		}
		last := &days[len(days)-1]
		last.Hours = append(last.Hours, HeatmapCell{Clicks: hour.Humans, Level: chart.Quantile(all[i], all, 5)})
	}
	return days
}

// Value names a value of a dimension: what is unknown has a name too.
func (v *visit) Value(dimension, value string) string {
	if value != "" {
		return value
	}
	switch dimension {
	case "referrer", "referrer_url":
		return v.T("Direct, or not told")
	case "rule":
		return v.T("No rule")
	case "domain":
		return v.T("Default domain")
	}
	if strings.HasPrefix(dimension, "utm_") {
		return v.T("None")
	}
	return v.T("Unknown")
}

// Part draws how much of the whole a row has, from whole numbers of any kind.
func (v *visit) Part(part, whole int) template.HTML { return chart.Bar(int64(part), int64(whole)) }
