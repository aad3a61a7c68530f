package shortener_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"snowlink/shortener"
)

func TestCreateMakesALinkOfWhatItIsTold(t *testing.T) {
	f := newFixture(t)
	got := f.create(t, shortener.NewLink{
		URL: "HTTPS://Example.com/ü", Code: "Mine", Domain: "GO.example.", Title: "T", Note: "two\nlines",
		Tags: []string{" b ", "a", "b", ""}, StartsAt: noon.Add(time.Hour + 5), ExpiresAt: noon.Add(2*time.Hour + 999999).In(time.FixedZone("", 3600)),
		RedirectStatus: 308, FallbackURL: "https://f.example", ForwardQuery: true,
	})
	want := shortener.Link{
		Ref: shortener.Ref{Domain: "go.example", Code: "Mine"}, ID: "1001", Target: "https://example.com/%C3%BC", Title: "T", Note: "two\nlines",
		Tags: []string{"a", "b"}, StartsAt: noon.Add(time.Hour), ExpiresAt: noon.Add(2 * time.Hour), RedirectStatus: 308,
		FallbackURL: "https://f.example/", ForwardQuery: true, Version: 1, CreatedAt: noon, UpdatedAt: noon, CreatedBy: "key_a",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("created %+v\nwant    %+v", got, want)
	}
	if kept, err := f.Link(t.Context(), got.Ref); err != nil || !reflect.DeepEqual(kept, want) {
		t.Errorf("kept %+v, %v\nwant %+v", kept, err, want)
	}
	if r, ok := f.view.Get(got.Ref); !ok || r != got.Record() {
		t.Errorf("view has %+v, %v; want the link's record", r, ok)
	}
	events := f.log.All()
	if len(events) != 1 || events[0].Type != shortener.LinkCreated || events[0].Actor != "key_a" || len(events[0].ID) != 32 || !events[0].At.Equal(noon) {
		t.Errorf("events %+v, want one creation by key_a at noon", events)
	}
}

func TestCreateFillsInWhatItIsNotTold(t *testing.T) {
	f := newFixture(t)
	got := f.create(t, shortener.NewLink{})
	want := shortener.Link{
		Ref: shortener.Ref{Code: "code0001"}, ID: "1001", Target: target, RedirectStatus: 302, Version: 1, CreatedAt: noon, UpdatedAt: noon, CreatedBy: "key_a",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("created %+v\nwant    %+v", got, want)
	}
}

func TestCreateReportsEveryBrokenRule(t *testing.T) {
	f := newFixture(t)
	_, _, err := f.Create(t.Context(), "key_a", shortener.NewLink{
		URL: "javascript:alert(1)", Code: "api", Domain: "nobody.example", Title: strings.Repeat("ü", 201), Note: strings.Repeat("n", 2001),
		Tags: []string{"a\tb"}, StartsAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(-2 * time.Hour), RedirectStatus: 303, FallbackURL: "http://sho.rt/x",
	}, nil)
	problems, ok := errors.AsType[shortener.Problems](err)
	if !ok || shortener.KindOf(err) != shortener.Invalid {
		t.Fatalf("got %v of kind %s, want Problems, which are Invalid", err, shortener.KindOf(err))
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Field+" "+p.Slug)
		if p.Kind != shortener.Invalid || !strings.Contains(err.Error(), p.Message) {
			t.Errorf("%+v: want it Invalid, and told in %q", p, err)
		}
	}
	want := []string{
		"domain unknown-domain", "code reserved-code", "url invalid-url", "fallback_url own-host", "title too-long", "note too-long",
		"tags control-character", "redirect_status invalid-redirect-status", "expires_at expires-in-past", "expires_at expires-before-start",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems\n got %q\nwant %q", got, want)
	}
	if len(f.log.All()) != 0 || f.codes.n != 0 {
		t.Errorf("%d events and %d codes were made, want none", len(f.log.All()), f.codes.n)
	}
}

func TestRulesOfCreate(t *testing.T) {
	many := func(n int) (tags []string) {
		for i := range n {
			tags = append(tags, fmt.Sprint("tag", i))
		}
		return tags
	}
	for name, tc := range map[string]struct {
		link shortener.NewLink
		slug string // "" if it is accepted
	}{
		"title at the limit, in characters": {shortener.NewLink{Title: strings.Repeat("ü", 200)}, ""},
		"note at the limit":                 {shortener.NewLink{Note: strings.Repeat("ü", 2000)}, ""},
		"title with a line end":             {shortener.NewLink{Title: "a\nb"}, "control-character"},
		"title that is not UTF-8":           {shortener.NewLink{Title: "\xff"}, "invalid-utf8"},
		"note with a zero byte":             {shortener.NewLink{Note: "a\x00"}, "control-character"},
		"note with lines and tabs":          {shortener.NewLink{Note: "a\r\n\tb"}, ""},
		"20 tags":                           {shortener.NewLink{Tags: many(20)}, ""},
		"20 tags and one of them again":     {shortener.NewLink{Tags: append(many(20), "tag0 ")}, ""},
		"21 tags":                           {shortener.NewLink{Tags: many(21)}, "too-many-tags"},
		"tag at the limit":                  {shortener.NewLink{Tags: []string{" " + strings.Repeat("ü", 50) + " "}}, ""},
		"tag too long":                      {shortener.NewLink{Tags: []string{strings.Repeat("t", 51)}}, "too-long"},
		"expiry now":                        {shortener.NewLink{ExpiresAt: noon}, "expires-in-past"},
		"expiry within this millisecond":    {shortener.NewLink{ExpiresAt: noon.Add(999999)}, "expires-in-past"},
		"expiry in a millisecond":           {shortener.NewLink{ExpiresAt: noon.Add(time.Millisecond)}, ""},
		"expiry when it starts":             {shortener.NewLink{StartsAt: noon.Add(time.Hour), ExpiresAt: noon.Add(time.Hour)}, "expires-before-start"},
		"start in the past":                 {shortener.NewLink{StartsAt: noon.Add(-time.Hour)}, ""},
		"expiry that no RFC 3339 can tell":  {shortener.NewLink{ExpiresAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "invalid-time"},
		"start that no RFC 3339 can tell":   {shortener.NewLink{StartsAt: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}, "invalid-time"},
		"permanent redirect":                {shortener.NewLink{RedirectStatus: 301}, ""},
		"a status that is no redirect":      {shortener.NewLink{RedirectStatus: 200}, "invalid-redirect-status"},
		"the default domain by its name":    {shortener.NewLink{Domain: "SHO.rt"}, ""},
		"a domain of the service":           {shortener.NewLink{Domain: "bücher.example"}, ""},
		"a domain that is none":             {shortener.NewLink{Domain: "go.example/x"}, "unknown-domain"},
		"a code that is none":               {shortener.NewLink{Code: "a b"}, "invalid-code"},
	} {
		f := newFixture(t)
		tc.link.URL = target
		_, _, err := f.Create(t.Context(), "key_a", tc.link, nil)
		if tc.slug == "" && err != nil {
			t.Errorf("%s: %v, want it accepted", name, err)
		} else if tc.slug != "" {
			wantKind(t, name, err, shortener.Invalid, tc.slug)
		}
	}
}

func TestATakenCodeIsRefused(t *testing.T) {
	f := newFixture(t)
	first := f.create(t, shortener.NewLink{Code: "mine"})
	_, _, err := f.Create(t.Context(), "key_b", shortener.NewLink{URL: target, Code: "mine"}, nil)
	wantKind(t, "the same code", err, shortener.Taken, "code-taken")
	f.create(t, shortener.NewLink{Code: "MINE"})
	f.create(t, shortener.NewLink{Code: "mine", Domain: "go.example"})
	if _, err := f.Delete(t.Context(), "key_a", first.Ref, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Create(t.Context(), "key_b", shortener.NewLink{URL: target, Code: "mine"}, nil)
	wantKind(t, "the code of a deleted link", err, shortener.Taken, "code-taken")
}

func TestGeneratedCodesThatAreTakenOrReservedArePassedOver(t *testing.T) {
	f := newFixture(t)
	f.codes.codes = []string{"taken001", "taken001", "internal", "taken001", "free0001"}
	f.create(t, shortener.NewLink{})
	got := f.create(t, shortener.NewLink{})
	if got.Code != "free0001" || got.ID != "1005" {
		t.Errorf("got code %s of id %s, want free0001 of 1005", got.Code, got.ID)
	}
	f = newFixture(t)
	f.codes.codes = []string{"taken001", "taken001", "taken001", "taken001", "taken001", "taken001"}
	f.create(t, shortener.NewLink{})
	_, _, err := f.Create(t.Context(), "key_a", shortener.NewLink{URL: target}, nil)
	wantKind(t, "five taken codes", err, shortener.Unavailable, "")
	if f.codes.n != 6 {
		t.Errorf("%d codes were generated, want 5 after the first", f.codes.n)
	}
}

func TestOnceMakesOneLink(t *testing.T) {
	f := newFixture(t)
	once := &shortener.Once{Owner: "key_a", Key: "k", Fingerprint: [32]byte{1}, Expires: noon.Add(24 * time.Hour)}
	n := shortener.NewLink{URL: target}
	first, replayed, err := f.Create(t.Context(), "key_a", n, once)
	if err != nil || replayed {
		t.Fatalf("first: replayed %v, %v", replayed, err)
	}
	again, replayed, err := f.Create(t.Context(), "key_a", n, once)
	if err != nil || !replayed || !reflect.DeepEqual(again, first) {
		t.Errorf("again: %+v, replayed %v, %v\nwant %+v", again, replayed, err, first)
	}
	other := *once
	other.Fingerprint = [32]byte{2}
	_, _, err = f.Create(t.Context(), "key_a", n, &other)
	wantKind(t, "another request under the key", err, shortener.Invalid, "idempotency-key-reused")
	other.Owner = "key_b"
	if l, replayed, err := f.Create(t.Context(), "key_b", n, &other); err != nil || replayed || l.Code == first.Code {
		t.Errorf("the key of another owner: %+v, replayed %v, %v; want a link of its own", l, replayed, err)
	}
}

func BenchmarkCreate(b *testing.B) {
	f := newFixture(b)
	b.ReportAllocs()
	for b.Loop() {
		f.create(b, shortener.NewLink{})
	}
}
