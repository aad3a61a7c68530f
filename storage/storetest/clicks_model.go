package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
)

// model is a click store as naive as can be: the right answer by definition.
type model []shortener.StoredClick

func (m model) matching(q shortener.ClickQuery) model {
	var out model
	for _, c := range m {
		if q.Matches(&c) {
			out = append(out, c)
		}
	}
	return out
}

func (m model) totals() shortener.Totals {
	var t shortener.Totals
	visitors := map[uint64]bool{}
	for _, c := range m {
		t.Clicks++
		if c.Bot != "" {
			t.Bots++
			continue
		}
		t.Humans++
		visitors[c.Visitor] = true
	}
	t.Visitors = int64(len(visitors))
	return t
}

func (m model) by(key func(shortener.StoredClick) string) map[string]model {
	out := map[string]model{}
	for _, c := range m {
		out[key(c)] = append(out[key(c)], c)
	}
	return out
}

// bucketKey names the bucket of an instant by what a wall clock in loc shows.
func bucketKey(at time.Time, interval shortener.Interval, loc *time.Location) string {
	t := at.In(loc)
	switch interval {
	case shortener.Hour:
		return t.Format("2006-01-02 15h -0700")
	case shortener.Day:
		return t.Format("2006-01-02")
	case shortener.Week:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case shortener.Month:
		return t.Format("2006-01")
	}
	panic("no key for interval " + interval)
}

var zones = []*time.Location{
	time.UTC, mustZone("Europe/Berlin"), mustZone("America/New_York"), mustZone("America/Sao_Paulo"), mustZone("Asia/Kathmandu"),
	mustZone("Australia/Lord_Howe"), mustZone("Pacific/Apia"), mustZone("Africa/Casablanca"),
}

func mustZone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// drawClicks draws clicks of one domain within some months, with few values, so that they meet.
func drawClicks(rt *rapid.T, domain, producer string) model {
	start := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(rt, "month")), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	span := rapid.SampledFrom([]int64{2 * 3600e3, 30 * 86400e3, 300 * 86400e3}).Draw(rt, "span")
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	clicks := make(model, rapid.IntRange(1, 60).Draw(rt, "clicks"))
	for i := range clicks {
		clicks[i] = shortener.StoredClick{
			Click: shortener.Click{
				At:      time.UnixMilli(start + random.Int64N(span)).UTC(),
				Ref:     shortener.Ref{Domain: domain, Code: pick("a", "B", "c-1", "c_1")},
				Visitor: random.Uint64N(6) << 61, Country: pick("", "GB", "US"), Region: pick("", "ENG"), City: pick("", "Łódź"),
				Referrer: pick("", "news.example/a"), UserAgent: pick("", "x/1", "y/2"), Language: pick("", "en"),
				UTM:  shortener.UTM{Source: pick("", "mail"), Medium: pick("", "cpc"), Campaign: pick("", "x"), Term: pick("", "%_"), Content: pick("", "'")},
				Rule: pick("", shortener.RuleFallback), Source: shortener.Source(random.IntN(2)), Head: random.IntN(2) == 0, Prefetch: random.IntN(2) == 0,
			},
			Producer: producer + pick("", "z"), ReferrerHost: pick("", "news.example"), Channel: pick("direct", "ai"),
			Browser: pick("", "Firefox", "firefox"), OS: pick("", "Linux"), Device: pick("desktop", "mobile"), Bot: pick("", "", "search", "ai"),
		}
	}
	return clicks
}

// drawBatches numbers the clicks and cuts them into batches, some of which come twice and none of
// which comes in order.
func drawBatches(rt *rapid.T, clicks model) []shortener.IngestBatch {
	var out []shortener.IngestBatch
	size := rapid.IntRange(1, 20).Draw(rt, "batch size")
	seqs, numbers := map[string]uint64{}, map[string]uint64{}
	for producer, of := range clicks.indexesBy(func(c shortener.StoredClick) string { return c.Producer }) {
		for cut := range slices.Chunk(of, size) {
			numbers[producer]++
			b := shortener.IngestBatch{Producer: producer, Number: numbers[producer]}
			for _, i := range cut {
				seqs[producer]++
				clicks[i].Seq, clicks[i].Batch = seqs[producer], b.Number
				b.Clicks = append(b.Clicks, clicks[i])
			}
			out = append(out, b)
		}
	}
	out = append(out, out[:rapid.IntRange(0, len(out)).Draw(rt, "repeated")]...)
	slices.Reverse(out)
	return out
}

func (m model) indexesBy(key func(shortener.StoredClick) string) map[string][]int {
	out := map[string][]int{}
	for i, c := range m {
		out[key(c)] = append(out[key(c)], i)
	}
	return out
}

func drawQuery(rt *rapid.T, clicks model) shortener.ClickQuery {
	q := shortener.ClickQuery{Bots: rapid.SampledFrom([]shortener.BotFilter{"", shortener.BotsInclude, shortener.BotsExclude, shortener.BotsOnly}).Draw(rt, "bots")}
	anyClick := func(label string) *shortener.StoredClick {
		return &clicks[rapid.IntRange(0, len(clicks)-1).Draw(rt, label)]
	}
	if rapid.Bool().Draw(rt, "from?") {
		q.From = anyClick("from").At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "off")) * time.Millisecond / 2)
	}
	if rapid.Bool().Draw(rt, "to?") {
		q.To = anyClick("to").At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "off")) * time.Millisecond / 2)
	}
	for range rapid.IntRange(0, 3).Draw(rt, "refs") {
		q.Refs = append(q.Refs, anyClick("ref").Ref)
	}
	for range rapid.IntRange(0, 2).Draw(rt, "filters") {
		f := shortener.Filter{Dimension: rapid.SampledFrom(shortener.Dimensions).Draw(rt, "dimension")}
		for range rapid.IntRange(0, 2).Draw(rt, "any") {
			f.Any = append(f.Any, f.Dimension.Of(anyClick("any of")))
		}
		for range rapid.IntRange(0, 1).Draw(rt, "none") {
			f.None = append(f.None, f.Dimension.Of(anyClick("none of")))
		}
		q.Filters = append(q.Filters, f)
	}
	return q
}

func clickAt(at time.Time, domain string) shortener.StoredClick {
	return shortener.StoredClick{Click: shortener.Click{At: at.UTC(), Ref: shortener.Ref{Domain: domain, Code: "c"}}}
}

// number gives a batch its identity, and its clicks theirs from seq on.
func number(b shortener.IngestBatch, producer string, batch, seq uint64) shortener.IngestBatch {
	b.Producer, b.Number = producer, batch
	for i := range b.Clicks {
		b.Clicks[i].Producer, b.Clicks[i].Batch, b.Clicks[i].Seq = producer, batch, seq+uint64(i)
	}
	return b
}

// madeBatch returns a batch of clicks that are a second apart.
func madeBatch(producer string, batch, seq uint64, clicks int) shortener.IngestBatch {
	var b shortener.IngestBatch
	for i := range clicks {
		b.Clicks = append(b.Clicks, clickAt(time.UnixMilli(1_700_000_000_000+int64(i)*1000), ""))
	}
	return number(b, producer, batch, seq)
}

// fatalist is what of *testing.T and *rapid.T the checks need.
type fatalist interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// must1 returns a value, or ends the test.
func must1[V any](v V, err error) func(fatalist) V {
	return func(t fatalist) V {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}

func mustIngest(t fatalist, s ClickStore, batches ...shortener.IngestBatch) {
	t.Helper()
	if _, err := s.Ingest(t.Context(), batches); err != nil {
		t.Fatalf("ingest: %v", err)
	}
}

func exportAll(t fatalist, s ClickStore, q shortener.ClickQuery) (out []shortener.StoredClick) {
	t.Helper()
	err := s.Export(t.Context(), q, func(c shortener.StoredClick) error {
		out = append(out, c)
		return nil
	})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	return out
}

func mustTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func hours(n ...int) (out []time.Duration) {
	for _, n := range n {
		out = append(out, time.Duration(n)*time.Hour)
	}
	return out
}

func repeat(d time.Duration, n int) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }

// cmpOr returns the first of the comparisons that tells two values apart.
func cmpOr(results ...int) int {
	for _, r := range results {
		if r != 0 {
			return r
		}
	}
	return 0
}
