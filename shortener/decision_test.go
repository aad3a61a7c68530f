package shortener

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const tick = time.Millisecond

func TestDecide(t *testing.T) {
	const target, fallback = "https://example.com/", "https://fallback.example/"
	redirect := Decision{Outcome: Redirect, Status: 307, Target: target}
	toFallback := Decision{Outcome: Redirect, Status: 302, Target: fallback, Rule: RuleFallback}
	missing, ended := Decision{Outcome: Missing}, Decision{Outcome: Ended}

	for name, tc := range map[string]struct {
		record Record
		want   Decision
	}{
		"without a schedule":                    {Record{}, redirect},
		"the start is inclusive":                {Record{StartsAt: noon}, redirect},
		"one tick before the start":             {Record{StartsAt: noon.Add(tick)}, missing},
		"a fallback is not for the time before": {Record{StartsAt: noon.Add(tick), FallbackURL: fallback}, missing},
		"expiry is exclusive":                   {Record{ExpiresAt: noon}, ended},
		"one tick before expiry":                {Record{ExpiresAt: noon.Add(tick)}, redirect},
		"long expired":                          {Record{ExpiresAt: noon.AddDate(-1, 0, 0)}, ended},
		"expired with a fallback":               {Record{ExpiresAt: noon, FallbackURL: fallback}, toFallback},
		"between start and expiry":              {Record{StartsAt: noon.Add(-tick), ExpiresAt: noon.Add(tick)}, redirect},
		"deleted":                               {Record{State: Deleted}, ended},
		"deleted with a fallback":               {Record{State: Deleted, FallbackURL: fallback}, toFallback},
		"deleted before its start":              {Record{State: Deleted, StartsAt: noon.Add(tick)}, ended},
		"disabled":                              {Record{State: Disabled}, missing},
		"disabled with a fallback":              {Record{State: Disabled, FallbackURL: fallback}, missing},
		"disabled and expired tells of neither": {Record{State: Disabled, ExpiresAt: noon}, missing},
		"a fallback is kept for the end":        {Record{FallbackURL: fallback}, redirect},
	} {
		tc.record.Target, tc.record.RedirectStatus = target, 307
		if got := tc.record.Decide(noon, "a=b"); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestForwardedQueries(t *testing.T) {
	for name, tc := range map[string]struct{ target, query, want string }{
		"none":                        {"https://a.test/", "", "https://a.test/"},
		"to none":                     {"https://a.test/", "b=c", "https://a.test/?b=c"},
		"behind the target's own":     {"https://a.test/?x=y", "b=c", "https://a.test/?x=y&b=c"},
		"behind an empty one":         {"https://a.test/?", "b=c", "https://a.test/?b=c"},
		"behind an ampersand":         {"https://a.test/?x&", "b=c", "https://a.test/?x&b=c"},
		"before the fragment":         {"https://a.test/#f?g", "b=c", "https://a.test/?b=c#f?g"},
		"what it holds stays":         {"https://a.test/", "b=%41+%zz&&'c", "https://a.test/?b=%41+%zz&&'c"},
		"no new fragment":             {"https://a.test/", "b#c", "https://a.test/?b%23c"},
		"nothing that ends a header":  {"https://a.test/", "b=\r\nSet-Cookie:x", "https://a.test/?b=%0D%0ASet-Cookie:x"},
		"nothing outside of ASCII":    {"https://a.test/", "ü \x7f\"<>", "https://a.test/?%C3%BC%20%7F%22%3C%3E"},
		"no way around the authority": {"https://a.test/", "//evil.test/@", "https://a.test/?//evil.test/@"},
	} {
		r := Record{Target: tc.target, RedirectStatus: 302, ForwardQuery: true}
		if got := r.Decide(noon, tc.query).Target; got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
		r.ForwardQuery = false
		if got := r.Decide(noon, tc.query).Target; got != tc.target {
			t.Errorf("%s, not forwarded: got %q, want %q", name, got, tc.target)
		}
	}
}

// Whatever a visitor asks for, the target keeps its front and is fit for a header.
func TestForwardedQueriesLeadNowhereElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]string{"https://a.test/", "https://a.test/p?q", "https://a.test/?q#f"}).Draw(t, "target")
		query := string(rapid.SliceOf(rapid.Byte()).Draw(t, "query"))
		r := Record{Target: base, RedirectStatus: 302, ForwardQuery: true}
		got := r.Decide(noon, query).Target
		front, fragment, _ := strings.Cut(base, "#")
		if !strings.HasPrefix(got, front) || !strings.HasSuffix(got, fragment) || !printable(got) || strings.Count(got, "#") != strings.Count(base, "#") {
			t.Fatalf("%q with query %q = %q", base, query, got)
		}
	})
}

// Status is what an owner reads, Decide what a visitor gets: they tell one story.
func TestStatusAgreesWithDecide(t *testing.T) {
	want := map[Status]Outcome{
		StatusActive: Redirect, StatusScheduled: Missing, StatusDisabled: Missing, StatusExpired: Ended, StatusDeleted: Ended,
	}
	rapid.Check(t, func(t *rapid.T) {
		near := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "none") {
				return time.Time{}
			}
			return noon.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "ticks")) * tick)
		})
		l := Link{
			Target: "https://a.test/", RedirectStatus: 302, State: State(rapid.IntRange(0, int(Deleted)).Draw(t, "state")),
			StartsAt: near.Draw(t, "starts"), ExpiresAt: near.Draw(t, "expires"),
		}
		r := l.Record()
		if got, status := r.Decide(noon, "").Outcome, l.StatusAt(noon); got != want[status] {
			t.Fatalf("status %s, outcome %d, want %d", status, got, want[status])
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	r := Record{Target: "https://example.com/", RedirectStatus: 302, ExpiresAt: noon.Add(time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Decide(noon, "utm_source=x")
	}
}
