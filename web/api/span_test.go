package api

import (
	"fmt"
	"net/url"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
)

func TestNamedRanges(t *testing.T) {
	stockholm, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	const layout = "2006-01-02T15:04"
	for _, c := range []struct {
		name, now, from, to  string
		beforeFrom, beforeTo string
	}{
		{"today", "2026-11-23T12:30", "2026-11-23T00:00", "2026-11-24T00:00", "2026-11-22T00:00", "2026-11-22T12:30"},
		{"yesterday", "2026-11-23T12:30", "2026-11-22T00:00", "2026-11-23T00:00", "2026-11-21T00:00", "2026-11-22T00:00"},
		{"24h", "2026-11-23T12:30", "2026-11-22T12:30", "2026-11-23T12:30", "2026-11-21T12:30", "2026-11-22T12:30"},
		{"7d", "2026-11-23T12:30", "2026-11-17T00:00", "2026-11-24T00:00", "2026-11-10T00:00", "2026-11-16T12:30"},
		{"28d", "2026-11-23T12:30", "2026-10-27T00:00", "2026-11-24T00:00", "2026-09-29T00:00", "2026-10-26T12:30"},
		{"90d", "2026-11-23T12:30", "2026-08-26T00:00", "2026-11-24T00:00", "2026-05-28T00:00", "2026-08-25T12:30"},
		{"mtd", "2026-11-23T12:30", "2026-11-01T00:00", "2026-11-24T00:00", "2026-10-01T00:00", "2026-10-23T12:30"},
		{"mtd", "2026-03-31T12:30", "2026-03-01T00:00", "2026-04-01T00:00", "2026-02-01T00:00", "2026-03-01T00:00"},
		{"12mo", "2026-11-23T12:30", "2025-12-01T00:00", "2026-11-24T00:00", "2024-12-01T00:00", "2025-11-23T12:30"},
		{"ytd", "2026-11-23T12:30", "2026-01-01T00:00", "2026-11-24T00:00", "2025-01-01T00:00", "2025-11-23T12:30"},
		// The clock went back on 25 October: days are the wall clock's.
		{"today", "2026-10-25T23:00", "2026-10-25T00:00", "2026-10-26T00:00", "2026-10-24T00:00", "2026-10-24T23:00"},
	} {
		t.Run(c.name+" "+c.now, func(t *testing.T) {
			now, err := time.ParseInLocation(layout, c.now, stockholm)
			if err != nil {
				t.Fatal(err)
			}
			s := spanNamed(c.name, now, stockholm)
			before, ok := s.previous(now)
			got := fmt.Sprint(s.from.Format(layout), s.to.Format(layout), ok, before.from.In(stockholm).Format(layout), before.to.In(stockholm).Format(layout))
			if want := fmt.Sprint(c.from, c.to, true, c.beforeFrom, c.beforeTo); got != want {
				t.Errorf("span is %s, want %s", got, want)
			}
		})
	}
	if s := spanNamed("all", time.Now(), stockholm); !s.from.IsZero() || !s.to.IsZero() {
		t.Errorf("all is %v", s)
	} else if _, ok := s.previous(time.Now()); ok {
		t.Error("all has a period before")
	}
}

func TestTheIntervalChosenGivesAReadableNumberOfBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Stockholm", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"}).Draw(t, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(1_500_000_000, 1_900_000_000).Draw(t, "from"), 0)
		to := from.Add(time.Duration(rapid.Int64Range(1, int64(33*365*24*time.Hour)).Draw(t, "length")))
		starts, err := shortener.BucketStarts(from, to, chooseInterval(from, to), loc)
		if n := len(starts) - 1; err != nil || n < 1 || n > 400 {
			t.Fatalf("%s has %d buckets (%v), want 1 to 400", to.Sub(from), n, err)
		}
	})
}

func TestFiltersAreRead(t *testing.T) {
	for query, want := range map[string][]shortener.Filter{
		"":                            nil,
		"country=GB,SE":               {{Dimension: "country", Any: []string{"GB", "SE"}}},
		"country=GB%2CSE":             {{Dimension: "country", Any: []string{"GB", "SE"}}},
		"country=-US":                 {{Dimension: "country", None: []string{"US"}}},
		"country=-US,-CA":             {{Dimension: "country", None: []string{"US", "CA"}}},
		"country=GB&country=SE":       {{Dimension: "country", Any: []string{"GB", "SE"}}},
		"country=":                    {{Dimension: "country", Any: []string{""}}},
		"country=-":                   {{Dimension: "country", None: []string{""}}},
		"country=GB,":                 {{Dimension: "country", Any: []string{"GB", ""}}},
		`city=Washington\, D.C.`:      {{Dimension: "city", Any: []string{"Washington, D.C."}}},
		`city=\-x,\\`:                 {{Dimension: "city", Any: []string{"-x", `\`}}},
		`city=x\`:                     {{Dimension: "city", Any: []string{`x\`}}},
		"browser=Firefox&country=SE":  {{Dimension: "country", Any: []string{"SE"}}, {Dimension: "browser", Any: []string{"Firefox"}}},
		"code=-x&domain=-y&tag=a&q=b": nil,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := readFilters(values); !reflect.DeepEqual(got, want) {
			t.Errorf("filters of %q are %+v, want %+v", query, got, want)
		}
	}
}

func FuzzReadFilter(f *testing.F) {
	for _, seed := range []string{"", "-", ",", `\`, `a,-b,\-c,\,`, "-,-,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got shortener.Filter
		readFilter(&got, text)
		n := 0
		for _, v := range append(got.Any, got.None...) {
			n += len(v)
		}
		if len(got.Any)+len(got.None) == 0 || n > len(text) {
			t.Errorf("filter of %q is %+v", text, got)
		}
	})
}

// Whoever holds a cursor can do nothing with it but go on.
func TestCursorsGoWithTheirQuery(t *testing.T) {
	c := cursors{key: []byte("key")}
	rapid.Check(t, func(t *rapid.T) {
		scope, at := rapid.String().Draw(t, "scope"), rapid.Int64().Draw(t, "at")
		sealed, err := c.seal(scope, place{at, "id"})
		if err != nil {
			t.Fatal(err)
		}
		var got place
		if err := c.open(scope, sealed, &got); err != nil || got != (place{at, "id"}) {
			t.Fatalf("opened %+v, %v", got, err)
		}
		if err := c.open(scope+"x", sealed, &got); err == nil {
			t.Fatal("a cursor of another query was taken")
		}
		if err := (cursors{key: []byte("other")}).open(scope, sealed, &got); err == nil {
			t.Fatal("a cursor of another service was taken")
		}
		changed := []byte(sealed)
		i := rapid.IntRange(0, len(changed)-1).Draw(t, "i")
		changed[i] = "ABab01-_"[rapid.IntRange(0, 7).Draw(t, "byte")]
		if err := c.open(scope, string(changed), &got); string(changed) != sealed && err == nil {
			t.Fatalf("a changed cursor was taken: %s for %s", changed, sealed)
		}
	})
}

func FuzzCursor(f *testing.F) {
	c := cursors{key: []byte("key")}
	sealed, err := c.seal("scope", place{1, "id"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var p place
		if err := c.open("scope", text, &p); err == nil && text != sealed {
			t.Errorf("%q was taken", text)
		}
	})
}

func TestCellsThatASpreadsheetWouldRunAreGuarded(t *testing.T) {
	for value, want := range map[string]string{
		"":                    "",
		"plain":               "plain",
		"=1+1":                "'=1+1",
		"+1":                  "'+1",
		"-1":                  "'-1",
		"@SUM(A1)":            "'@SUM(A1)",
		"\t=1":                "'\t=1",
		"\r=1":                "\"'\r=1\"",
		"'quoted":             "''quoted",
		`=cmd|' /C x'!A`:      `'=cmd|' /C x'!A`,
		`a "b", c`:            `"a ""b"", c"`,
		"a\nb":                "\"a\nb\"",
		`=HYPERLINK("x","y")`: `"'=HYPERLINK(""x"",""y"")"`,
	} {
		if got := string(appendCell(nil, value)); got != want {
			t.Errorf("cell of %q is %q, want %q", value, got, want)
		}
	}
}

func TestTheAddressOfAClient(t *testing.T) {
	for name, c := range map[string]struct{ header, remote, want string }{
		"from the gateway":         {"203.0.113.7", "127.0.0.1:80", "203.0.113.7"},
		"without a gateway":        {"", "203.0.113.7:1234", "203.0.113.7"},
		"IPv6 is a network":        {"2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"},
		"IPv6 with a port":         {"", "[2001:db8:1:2::1]:80", "2001:db8:1:2::/64"},
		"IPv4 written as IPv6":     {"::ffff:203.0.113.7", "", "203.0.113.7"},
		"a connection in memory":   {"", "pipe", ""},
		"no address in the header": {"nobody", "203.0.113.7:1", ""},
	} {
		if got := clientOf(c.header, c.remote); got != c.want {
			t.Errorf("%s: client is %q, want %q", name, got, c.want)
		}
	}
}
