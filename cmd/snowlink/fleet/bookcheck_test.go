package fleet

import (
	"slices"
	"testing"
	"time"
)

func TestBookJudges(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	first, second, third := nthTarget("a", 1), nthTarget("a", 2), nthTarget("a", 3)
	// The first edit is under way from 10 to 12, the second from 20 on, whose outcome nobody knows at 22.
	b := newBook(0)
	b.create("a", first, start)
	b.begin("a", at(10))
	b.end("a", true, at(12))
	b.begin("a", at(20))
	b.end("a", false, at(22))
	for name, tc := range map[string]struct {
		target          string
		asked, answered float64
		lag             time.Duration
		astray          bool
	}{
		"the first target":                          {target: first, asked: 1, answered: 2},
		"a target that nobody asked for yet":        {target: second, asked: 8, answered: 9, astray: true},
		"the new one while the edit is under way":   {target: second, asked: 9, answered: 11},
		"the old one while the edit is under way":   {target: first, asked: 11, answered: 11.5},
		"the old one, asked for as it was replaced": {target: first, asked: 12, answered: 15},
		"the old one, asked for later":              {target: first, asked: 12.5, answered: 13, lag: 500 * time.Millisecond},
		"the old one much later":                    {target: first, asked: 42, answered: 43, lag: 30 * time.Second},
		"the edit in doubt was made":                {target: third, asked: 30, answered: 31},
		"the edit in doubt was not made":            {target: second, asked: 30, answered: 31},
		"another link's":                            {target: nthTarget("b", 1), asked: 1, answered: 2, astray: true},
		"a byte more":                               {target: first + "/", asked: 1, answered: 2, astray: true},
		"nothing":                                   {target: "", asked: 1, answered: 2, astray: true},
	} {
		t.Run(name, func(t *testing.T) {
			lag, ok := b.judge("a", tc.target, at(tc.asked), at(tc.answered))
			if ok == tc.astray || lag != tc.lag {
				t.Errorf("judge: got %v, right %v; want %v, right %v", lag, ok, tc.lag, !tc.astray)
			}
		})
	}
	if got, want := b.settled("a"), []string{second, third}; !slices.Equal(got, want) {
		t.Errorf("settled: got %q, want %q", got, want)
	}
	if _, ok := b.begin("a", at(40)); ok {
		t.Error("a link in doubt may be edited, want it left alone")
	}
	if b.create("a", first, at(50)) {
		t.Error("a code may be given twice, want it noticed")
	}
}
