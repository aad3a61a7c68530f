package main

import (
	"fmt"
	"slices"
	"testing"
)

// A followed is a redirect as its visitor saw it.
type followed struct{ code, location string }

// A counted is a click as the export shows it.
type counted struct{ code, mark string }

// An outcome is what clients of the service know of a run. Every request for a short link bears a
// mark of its own, its utm_content.
type outcome struct {
	created  map[string]string   // code to target, of every create that was answered
	resolved map[string]string   // code to Location, asked for once all was over
	answered map[string]followed // by mark, of every redirect that was answered
	cutOff   map[string]bool     // marks of the requests that were in flight when the process died
	exported []counted
}

// faults returns a sentence for each broken promise, in order:
//
//   - every answered create leads to its own target, byte for byte, at the end and all the time;
//   - every answered redirect is in the export once, under its own code, and none is there twice;
//   - what is there beyond the answered ones was in flight when the process died.
func (o outcome) faults() []string {
	found := map[string]bool{}
	say := func(format string, args ...any) { found[fmt.Sprintf(format, args...)] = true }

	for code, target := range o.created {
		if location, ok := o.resolved[code]; !ok {
			say("link %s is lost", code)
		} else if location != target {
			say("link %s leads to %q, want %q", code, location, target)
		}
	}
	times := map[string]int{}
	for _, click := range o.exported {
		times[click.mark]++
		if visit, ok := o.answered[click.mark]; ok && visit.code != click.code {
			say("click %s is counted for %s, want %s", click.mark, click.code, visit.code)
		}
		if _, ok := o.answered[click.mark]; !ok && !o.cutOff[click.mark] {
			say("click %s is counted and was never answered", click.mark)
		}
	}
	for mark, n := range times {
		if n > 1 {
			say("click %s is counted %d times", mark, n)
		}
	}
	for mark, visit := range o.answered {
		if times[mark] == 0 {
			say("click %s is lost", mark)
		}
		if target, ok := o.created[visit.code]; ok && visit.location != target {
			say("link %s led to %q, want %q", visit.code, visit.location, target)
		}
	}
	sorted := make([]string, 0, len(found))
	for fault := range found {
		sorted = append(sorted, fault)
	}
	slices.Sort(sorted)
	return sorted
}

// surplus returns how many clicks were counted whose visitors never had an answer.
func (o outcome) surplus() (n int) {
	for _, click := range o.exported {
		if o.cutOff[click.mark] {
			n++
		}
	}
	return n
}

func TestDurabilityOutcome(t *testing.T) {
	const a, b = "https://example.com/a", "https://example.com/b"
	for name, tc := range map[string]struct {
		spoil func(o *outcome)
		want  []string
	}{
		"all is well": {func(*outcome) {}, nil},
		"in flight, and counted": {func(o *outcome) {
			o.exported = append(o.exported, counted{"A", "cut"})
		}, nil},
		"in flight, and counted twice": {func(o *outcome) {
			o.exported = append(o.exported, counted{"A", "cut"}, counted{"A", "cut"})
		}, []string{"click cut is counted 2 times"}},
		"a link is gone": {func(o *outcome) { delete(o.resolved, "B") }, []string{"link B is lost"}},
		"a link leads elsewhere": {func(o *outcome) {
			o.resolved["B"] = a
		}, []string{`link B leads to "https://example.com/a", want "https://example.com/b"`}},
		"one byte of a target": {func(o *outcome) {
			o.resolved["B"] = b + "/"
		}, []string{`link B leads to "https://example.com/b/", want "https://example.com/b"`}},
		"a link led elsewhere for a while": {func(o *outcome) {
			o.answered["2"] = followed{"B", a}
		}, []string{`link B led to "https://example.com/a", want "https://example.com/b"`}},
		"a click is gone":          {func(o *outcome) { o.exported = o.exported[1:] }, []string{"click 1 is lost"}},
		"a click is counted twice": {func(o *outcome) { o.exported = append(o.exported, o.exported[1]) }, []string{"click 2 is counted 2 times"}},
		"a click changed its link": {func(o *outcome) { o.exported[1].code = "A" }, []string{"click 2 is counted for A, want B"}},
		"a click changed its mark": {func(o *outcome) {
			o.exported[1].mark = "3"
		}, []string{"click 2 is lost", "click 3 is counted and was never answered"}},
		"a click out of nowhere": {func(o *outcome) {
			o.exported = append(o.exported, counted{"A", "9"})
		}, []string{"click 9 is counted and was never answered"}},
		"nothing is left": {func(o *outcome) {
			o.resolved, o.exported = nil, nil
		}, []string{"click 1 is lost", "click 2 is lost", "link A is lost", "link B is lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome{
				created:  map[string]string{"A": a, "B": b},
				resolved: map[string]string{"A": a, "B": b},
				answered: map[string]followed{"1": {"A", a}, "2": {"B", b}},
				cutOff:   map[string]bool{"cut": true},
				exported: []counted{{"A", "1"}, {"B", "2"}},
			}
			tc.spoil(&o)
			if got := o.faults(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
