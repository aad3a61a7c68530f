// Package chart draws what a dashboard shows as SVG, on the server. Every figure has a title, a sentence that
// sums it up, and its numbers as a table. Colours are classes: the style sheet of the page has them.
package chart

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Point is one place on the axis of time.
type Point struct {
	Label  string  // in the table, and when pointed at
	Tick   string  // on the axis; "" for none
	Values []int64 // one of each series
	Open   bool    // not over yet
}

// Series is a line, or the area below it.
type Series struct {
	Name  string
	Class string // of its path
	Area  bool
}

// Time is a figure of values over time.
type Time struct {
	ID      string // unique on the page
	Title   string
	Summary string // one sentence
	Series  []Series
	Points  []Point
	Number  func(int64) string
}

const (
	width, height            = 1000, 240
	left, right, top, bottom = 48, 8, 12, 24
)

// SVG draws the figure. What is in it is escaped.
func (t Time) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %[3]s-s" preserveAspectRatio="none">`, width, height, esc(t.ID))
	fmt.Fprintf(&b, `<title id="%s-t">%s</title><desc id="%[1]s-s">%s</desc>`, esc(t.ID), esc(t.Title), esc(t.Summary))
	top := niceTop(t.highest())
	t.grid(&b, top)
	for i, s := range t.Series {
		t.line(&b, i, s, top)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

func (t Time) highest() (most int64) {
	for _, p := range t.Points {
		for _, v := range p.Values {
			most = max(most, v)
		}
	}
	return most
}

// niceTop returns the least of 1, 2 and 5 times a power of ten that is no less than most, and can be divided
// by the lines of the grid.
func niceTop(most int64) int64 {
	if most <= 4 {
		return 4
	}
	for power := int64(1); ; power *= 10 {
		for _, step := range []int64{1, 2, 5} {
			if n := step * power * 4; n >= most {
				return n
			}
		}
		if power > math.MaxInt64/100 {
			return most
		}
	}
}

func (t Time) x(i int) float64 {
	if len(t.Points) < 2 {
		return (left + width - right) / 2
	}
	return left + float64(i)*float64(width-left-right)/float64(len(t.Points)-1)
}

func y(v, most int64) float64 {
	return height - bottom - float64(v)/float64(most)*float64(height-top-bottom)
}

func (t Time) grid(b *strings.Builder, most int64) {
	for i := range int64(5) {
		v := most * i / 4
		at := y(v, most)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, at, at, left-6, at+4, esc(t.Number(v)))
	}
	for i, p := range t.Points {
		if p.Tick != "" {
			fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, t.x(i), height-6, esc(p.Tick))
		}
	}
}

func (t Time) line(b *strings.Builder, series int, s Series, most int64) {
	var path strings.Builder
	for i, p := range t.Points {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], t.x(i), y(p.Values[series], most))
	}
	if len(t.Points) == 0 {
		return
	}
	if s.Area {
		fmt.Fprintf(b, `<path class="area %s" d="%sL%.1f %dL%.1f %dZ"/>`, esc(s.Class), path.String(), t.x(len(t.Points)-1), height-bottom, t.x(0), height-bottom)
	}
	fmt.Fprintf(b, `<path class="line %s" d="%s"/>`, esc(s.Class), path.String())
	if len(t.Points) == 1 {
		fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="3"/>`, esc(s.Class), t.x(0), y(t.Points[0].Values[series], most))
	}
}

// Bar draws a share of a whole as a bar, for the row of a table. It says nothing that the row does not.
func Bar(part, whole int64) template.HTML {
	share := 0.0
	if whole > 0 {
		share = 100 * float64(part) / float64(whole)
	}
	return template.HTML(fmt.Sprintf(`<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4"/><rect class="fill" width="%.2f" height="4"/></svg>`, share))
}

// Quantile returns in which of so many classes of equal size a value is among all, 0 for those that are 0. It
// is what a heatmap is coloured by: one great value does not make the others pale.
func Quantile(value int64, all []int64, classes int) int {
	if value <= 0 {
		return 0
	}
	below, positive := 0, 0
	for _, v := range all {
		if v > 0 {
			positive++
			if v < value {
				below++
			}
		}
	}
	return 1 + min(classes-1, below*classes/max(1, positive))
}

func esc(text string) string { return template.HTMLEscapeString(text) }
