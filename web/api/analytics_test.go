package api_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/web/api"
)

func bot(class string) func(*shortener.StoredClick) {
	return func(c *shortener.StoredClick) { c.Bot = class }
}

func from(country string, visitor uint64) func(*shortener.StoredClick) {
	return func(c *shortener.StoredClick) { c.Country, c.Visitor = country, visitor }
}

// clicked is a world with two links: x has five clicks over two days, y one.
func clicked(t testing.TB) *world {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x","tags":["t"]}`)
	w.make(`{"url":"https://example.com/","code":"y"}`)
	yesterday := noon.Add(-24 * time.Hour)
	w.clicks.add(
		click("x", yesterday.Add(-time.Hour)), click("x", yesterday, bot("search")),
		click("x", noon.Add(-time.Hour), from("GB", 2)), click("x", noon.Add(-time.Minute), from("GB", 2)), click("x", noon.Add(-time.Second), from("", 3)),
		click("y", noon.Add(-time.Hour), from("US", 4)),
	)
	return w
}

func TestSummary(t *testing.T) {
	for query, want := range map[string]shortener.Totals{
		"":                             {Clicks: 6, Humans: 5, Bots: 1, Visitors: 4},
		"range=all":                    {Clicks: 6, Humans: 5, Bots: 1, Visitors: 4},
		"code=x":                       {Clicks: 5, Humans: 4, Bots: 1, Visitors: 3},
		"code=x,y":                     {Clicks: 6, Humans: 5, Bots: 1, Visitors: 4},
		"code=x&domain=go.example.org": {},
		"tag=t":                        {Clicks: 5, Humans: 4, Bots: 1, Visitors: 3},
		"tag=t&code=y":                 {},
		"tag=unknown":                  {},
		"domain=sho.rt":                {Clicks: 6, Humans: 5, Bots: 1, Visitors: 4},
		"domain=go.example.org":        {},
		"range=today":                  {Clicks: 4, Humans: 4, Visitors: 3},
		"range=yesterday":              {Clicks: 2, Humans: 1, Bots: 1, Visitors: 1},
		"range=24h":                    {Clicks: 5, Humans: 4, Bots: 1, Visitors: 3},
		"from=2026-11-23":              {Clicks: 4, Humans: 4, Visitors: 3},
		"to=2026-11-23":                {Clicks: 2, Humans: 1, Bots: 1, Visitors: 1},
		"from=2026-11-23T11:59:00Z":    {Clicks: 2, Humans: 2, Visitors: 2},
		"from=2026-11-23T11:59:00.001Z&to=2026-11-23T12:00:00%2B00:00": {Clicks: 1, Humans: 1, Visitors: 1},
		"bots=exclude":    {Clicks: 5, Humans: 5, Visitors: 4},
		"bots=only":       {Clicks: 1, Bots: 1},
		"country=GB,US":   {Clicks: 3, Humans: 3, Visitors: 2},
		"country=-GB,-US": {Clicks: 3, Humans: 2, Bots: 1, Visitors: 2},
		"country=":        {Clicks: 1, Humans: 1, Visitors: 1},
	} {
		w := clicked(t)
		if strings.Contains(query, "domain=go") && strings.Contains(query, "code") {
			w.make(`{"url":"https://example.com/","code":"x","domain":"go.example.org"}`)
		}
		s := decode[api.Summary](w.get("/api/v1/analytics/summary?" + query).status(200))
		if s.Totals != want || s.Pending != 4 || !s.AsOf.Equal(noon) {
			t.Errorf("summary of %q is %+v, want %+v", query, s, want)
		}
	}
}

func TestTheSummaryOfARangeWithALengthHasThePeriodBefore(t *testing.T) {
	w := clicked(t)
	s := decode[api.Summary](w.get("/api/v1/analytics/summary?range=today").status(200))
	want := shortener.Totals{Clicks: 1, Humans: 1, Visitors: 1} // yesterday until noon
	if s.Previous == nil || s.Previous.Totals != want || !s.Previous.To.Equal(noon.Add(-24*time.Hour)) {
		t.Errorf("previous is %+v, want %+v", s.Previous, want)
	}
	for _, query := range []string{"", "from=2026-11-23", "to=2026-11-23"} {
		if body := w.get("/api/v1/analytics/summary?" + query).body; !bytes.Contains(body, []byte(`"previous":null`)) {
			t.Errorf("summary of %q is %s, want previous null", query, body)
		}
	}
}

func TestATimeSeriesHasItsEmptyBuckets(t *testing.T) {
	for query, want := range map[string]struct {
		interval, first string
		buckets         int
		clicks          int64
	}{
		"range=today":             {"hour", "2026-11-23T00:00:00Z", 24, 4},
		"range=24h":               {"hour", "2026-11-22T12:00:00Z", 24, 5},
		"range=7d":                {"day", "2026-11-17T00:00:00Z", 7, 6},
		"range=7d&interval=hour":  {"hour", "2026-11-17T00:00:00Z", 168, 6},
		"range=12mo":              {"month", "2025-12-01T00:00:00Z", 12, 6},
		"range=28d&interval=week": {"week", "2026-10-26T00:00:00Z", 5, 6},
		"from=2026-11-23T11:00:00Z&to=2026-11-23T12:00:00Z": {"minute", "2026-11-23T11:00:00Z", 60, 4},
		"":                              {"hour", "2026-11-22T11:00:00Z", 26, 6},
		"code=y":                        {"minute", "2026-11-23T11:59:00Z", 2, 0}, // made at noon: earlier clicks are none of its
		"range=today&tz=Asia/Kathmandu": {"hour", "2026-11-23T00:00:00+05:45", 24, 4},
		"range=today&country=FR":        {"hour", "2026-11-23T00:00:00Z", 24, 0},
	} {
		s := decode[api.Series](clicked(t).get("/api/v1/analytics/timeseries?" + query).status(200))
		var clicks int64
		for _, b := range s.Results {
			clicks += b.Clicks
		}
		if len(s.Results) == 0 {
			t.Errorf("series of %q is empty", query)
			continue
		}
		got := fmt.Sprint(s.Meta.Interval, " ", s.Results[0].Start.Format(time.RFC3339), " ", len(s.Results), " ", clicks)
		if want := fmt.Sprint(want.interval, " ", want.first, " ", want.buckets, " ", want.clicks); got != want {
			t.Errorf("series of %q is %s, want %s", query, got, want)
		}
	}
}

func TestASeriesOfNoClicksIsTheDay(t *testing.T) {
	s := decode[api.Series](newWorld(t).get("/api/v1/analytics/timeseries").status(200))
	if len(s.Results) != 13 || s.Meta.Interval != "hour" {
		t.Errorf("series has %d buckets by %s, want 13 hours", len(s.Results), s.Meta.Interval)
	}
}

func TestAHeatmapHasEveryHourOfTheWeek(t *testing.T) {
	w := clicked(t) // on a Monday, and on the Sunday before
	for zone, hours := range map[string]map[string]int64{
		"UTC":           {"7T11": 1, "7T12": 1, "1T11": 4},
		"Asia/Kolkata":  {"7T16": 1, "7T17": 1, "1T16": 2, "1T17": 2},
		"Pacific/Apia":  {"1T00": 1, "1T01": 1, "2T00": 4},
		"Europe/Warsaw": {"7T12": 1, "7T13": 1, "1T12": 4},
	} {
		got := decode[api.Heatmap](w.get("/api/v1/analytics/heatmap?tz=" + zone).status(200))
		if len(got.Results) != 168 || got.Results[0].Value != "1T00" || got.Results[167].Value != "7T23" || got.Meta.Timezone != zone {
			t.Fatalf("heatmap of %s has %d hours from %+v in %q", zone, len(got.Results), got.Results[0], got.Meta.Timezone)
		}
		for _, h := range got.Results {
			if h.Clicks != hours[h.Value] || h.Clicks != h.Humans+h.Bots {
				t.Errorf("%s in %s has %+v, want %d clicks", h.Value, zone, h, hours[h.Value])
			}
		}
	}
}

func TestABreakdownIsWalkedPageByPage(t *testing.T) {
	w := clicked(t)
	var rows []string
	path := "/api/v1/analytics/breakdown/country?limit=2"
	for {
		b := decode[api.Breakdown](w.get(path).status(200))
		equal(t, "total", b.Meta.Total, 4)
		for _, r := range b.Results {
			rows = append(rows, fmt.Sprintf("%s:%d", r.Value, r.Clicks))
		}
		if b.Meta.NextCursor == nil {
			break
		}
		path = "/api/v1/analytics/breakdown/country?limit=2&cursor=" + *b.Meta.NextCursor
		w.get("/api/v1/analytics/breakdown/country?bots=only&cursor="+*b.Meta.NextCursor).problem(422, "invalid-cursor")
		w.get("/api/v1/analytics/breakdown/browser?cursor="+*b.Meta.NextCursor).problem(422, "invalid-cursor")
	}
	equal(t, "rows", strings.Join(rows, " "), "GB:2 SE:2 :1 US:1")
}

func TestEveryDimensionCanBeCountedBy(t *testing.T) {
	w := clicked(t)
	for _, d := range shortener.Dimensions {
		w.get("/api/v1/analytics/breakdown/" + string(d)).status(200)
	}
}

func TestEveryDimensionCanBeFilteredBy(t *testing.T) {
	w := clicked(t)
	for _, d := range shortener.Dimensions {
		if d == "code" || d == "domain" {
			continue
		}
		w.get("/api/v1/analytics/summary?" + string(d) + "=a,-b").status(200)
		if q := w.clicks.asked(); !reflect.DeepEqual(q.Filters, []shortener.Filter{{Dimension: d, Any: []string{"a"}, None: []string{"b"}}}) {
			t.Errorf("filters of %s are %+v", d, q.Filters)
		}
	}
}

func TestWithTheClickStoreDownAnalyticsSaySo(t *testing.T) {
	w := clicked(t)
	w.clicks.setDown(errClicksDown)
	for _, path := range []string{"analytics/summary", "analytics/timeseries", "analytics/timeseries?range=7d", "analytics/breakdown/country", "analytics/heatmap", "clicks/export", "clicks/export?format=csv"} {
		a := w.get("/api/v1/"+path).header("Retry-After", "5").header("Content-Disposition", "")
		p := a.problem(503, "unavailable")
		if strings.Contains(string(a.body), "10.0.0.7") {
			t.Errorf("%s says %q", path, p.Detail)
		}
	}
	if !strings.Contains(w.logs.String(), "10.0.0.7") {
		t.Error("the log does not tell the reason")
	}
}

// full is a click with every field.
func full() shortener.StoredClick {
	return shortener.StoredClick{
		Click: shortener.Click{
			At: time.Date(2026, 11, 23, 11, 0, 0, 7e6, time.UTC), Ref: shortener.Ref{Domain: "go.example.org", Code: "-x"}, Visitor: 0xab, Country: "SE",
			Region: "AB", City: "=1+1", Referrer: "news.example.com/a", UserAgent: `Mozilla/5.0 "x", y`, Language: "sv",
			UTM: shortener.UTM{Source: "s", Medium: "m", Campaign: "+c", Term: "t", Content: "é\n"}, Rule: "fallback", Source: shortener.SourceQR,
		},
		ReferrerHost: "example.com", Channel: "referral", Browser: "Firefox", OS: "Linux", Device: "desktop",
	}
}

var exported = []string{
	"id", "edge1-1", "code", "-x", "domain", "go.example.org", "at", "2026-11-23T11:00:00.007Z", "visitor", "00000000000000ab", "country", "SE",
	"region", "AB", "city", "=1+1", "referrer", "news.example.com/a", "referrer_host", "example.com", "channel", "referral",
	"user_agent", `Mozilla/5.0 "x", y`, "browser", "Firefox", "os", "Linux", "device", "desktop", "language", "sv", "bot", "", "rule", "fallback",
	"utm_source", "s", "utm_medium", "m", "utm_campaign", "+c", "utm_term", "t", "utm_content", "é\n", "source", "qr",
}

func TestAnExportHasEveryField(t *testing.T) {
	w := newWorld(t)
	w.clicks.add(full(), click("y", noon, bot("ai")))
	a := w.get("/api/v1/clicks/export").status(200).header("Content-Type", "application/x-ndjson").header("Content-Disposition", `attachment; filename="clicks.ndjson"`)
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	lines.Scan()
	got := map[string]string{}
	if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	equal(t, "number of fields", len(got), len(exported)/2)
	for i := 0; i < len(exported); i += 2 {
		equal(t, exported[i], got[exported[i]], exported[i+1])
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), `"domain":"sho.rt"`) || !strings.Contains(lines.Text(), `"bot":"ai"`) || lines.Scan() {
		t.Errorf("the second line is %s, want that and no third", lines.Text())
	}
}

func TestAnExportInCSVCanBeReadBack(t *testing.T) {
	w := newWorld(t)
	w.clicks.add(full())
	a := w.get("/api/v1/clicks/export?format=csv").status(200).header("Content-Type", "text/csv; charset=utf-8")
	rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("rows are %q, %v", rows, err)
	}
	for i := range rows[0] {
		equal(t, "column", rows[0][i], exported[2*i])
		equal(t, exported[2*i], strings.TrimPrefix(rows[1][i], "'"), exported[2*i+1])
	}
	if !strings.Contains(string(a.body), ",'=1+1,") || !strings.Contains(string(a.body), ",'-x,") {
		t.Errorf("formulas are not guarded: %s", a.body)
	}
}

func TestAnExportIsFilteredAndMayBeEmpty(t *testing.T) {
	w := clicked(t)
	equal(t, "lines", bytes.Count(w.get("/api/v1/clicks/export?code=x&bots=only").status(200).body, []byte("\n")), 1)
	equal(t, "body", string(w.get("/api/v1/clicks/export?country=FR").status(200).body), "")
	equal(t, "lines of CSV", bytes.Count(w.get("/api/v1/clicks/export?format=csv&country=FR").status(200).body, []byte("\n")), 1)
}

func TestAnExportThatFailsOnItsWayIsCutOff(t *testing.T) {
	w := newWorld(t)
	for range 1000 {
		w.clicks.add(full())
	}
	w.clicks.fail = 999
	server := httptest.NewServer(w.api)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/clicks/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+reader)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil || resp.StatusCode != 200 {
		t.Errorf("status is %d, and %d bytes end without an error", resp.StatusCode, len(body))
	}
}

func BenchmarkExport(b *testing.B) {
	w := newWorld(b)
	for range 1000 {
		w.clicks.add(full())
	}
	for b.Loop() {
		w.get("/api/v1/clicks/export").status(200)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/click")
}

func BenchmarkCreate(b *testing.B) {
	w := newWorld(b, func(c *api.Config) { c.Limits.KeyRate, c.Limits.KeyBurst = 1e9, 1e9 })
	for b.Loop() {
		w.post("/api/v1/links", `{"url":"https://example.com/a?b=c"}`).status(201)
	}
}
