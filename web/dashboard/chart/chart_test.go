package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAFigureIsWholeAndEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		figure := Time{
			ID: "x", Title: rapid.StringMatching(`[<>"'&a]{0,9}`).Draw(t, "title"), Summary: rapid.StringMatching(`[<>"'&a]{0,9}`).Draw(t, "summary"),
			Number: func(n int64) string { return strconv.FormatInt(n, 10) }, Series: []Series{{Name: "a", Area: true}, {Name: "b"}},
		}
		for range rapid.IntRange(0, 5).Draw(t, "points") {
			figure.Points = append(figure.Points, Point{
				Tick:   rapid.StringMatching(`[<"a]{0,3}`).Draw(t, "tick"),
				Values: []int64{rapid.Int64Range(0, 1<<60).Draw(t, "a"), rapid.Int64Range(0, 1<<60).Draw(t, "b")},
			})
		}
		decoder := xml.NewDecoder(strings.NewReader(string(figure.SVG())))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("%v in %s", err, figure.SVG())
			}
			if text, ok := token.(xml.CharData); ok && strings.Contains(string(text), "NaN") {
				t.Fatalf("no number in %s", figure.SVG())
			}
		}
	})
}

func TestTheAxisEndsAboveTheHighestValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(0, 1<<60).Draw(t, "most")
		if top := niceTop(most); top < most || top%4 != 0 || most > 4 && top >= most*3 {
			t.Errorf("niceTop(%d) = %d", most, top)
		}
	})
}

func TestQuantilesSpreadValuesEvenly(t *testing.T) {
	all := []int64{0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1_000_000}
	for value, want := range map[int64]int{0: 0, 1: 1, 2: 1, 3: 2, 9: 5, 1_000_000: 5} {
		if got := Quantile(value, all, 5); got != want {
			t.Errorf("Quantile(%d) = %d, want %d", value, got, want)
		}
	}
}
