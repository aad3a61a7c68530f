package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
)

// ClickStore is all that a click store does.
type ClickStore interface {
	Ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error)
	Summary(ctx context.Context, q shortener.ClickQuery) (shortener.Totals, error)
	Series(ctx context.Context, q shortener.ClickQuery, interval shortener.Interval, loc *time.Location) ([]shortener.Bucket, error)
	Breakdown(ctx context.Context, q shortener.ClickQuery, d shortener.Dimension, limit, offset int) ([]shortener.Share, int, error)
	Heatmap(ctx context.Context, q shortener.ClickQuery, loc *time.Location) (shortener.HoursOfWeek, error)
	Groups(ctx context.Context, q shortener.ClickQuery, by shortener.Grouping, limit, offset int) (groups []shortener.Group, total int, err error)
	LinkTotals(ctx context.Context, refs []shortener.Ref) (map[shortener.Ref]shortener.Totals, error)
	Export(ctx context.Context, q shortener.ClickQuery, fn func(shortener.StoredClick) error) error
	Recent(ctx context.Context, q shortener.ClickQuery, limit int) ([]shortener.StoredClick, error)
	Bounds(ctx context.Context) (first, last time.Time, err error)
}

// TestClicks holds a click store to what every one of them promises. newStore returns an empty store
// that lives as long as the test it is given.
func TestClicks(t *testing.T, newStore func(t *testing.T) ClickStore) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s ClickStore)
	}{
		{"every reading agrees with a naive model", clicksAgreeWithModel},
		{"every field comes back", clicksRoundTrip},
		{"a batch is counted once", clicksCountOnce},
		{"a batch is counted once by concurrent callers", clicksCountOnceConcurrently},
		{"days and hours follow the wall clock", clicksFollowTheWallClock},
		{"an empty store answers", clicksEmptyStore},
		{"the last clicks are there first", clicksRecent},
		{"what cannot be asked is invalid", clicksInvalid},
		{"an error of the reader ends an export", clicksExportStops},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
	}
}

func clicksAgreeWithModel(t *testing.T, s ClickStore) {
	world := 0
	rapid.Check(t, func(rt *rapid.T) {
		world++ // each check lives in a domain and with producers of its own
		clicks := drawClicks(rt, fmt.Sprintf("w%d.example", world), fmt.Sprintf("edge-%d", world))
		mustIngest(rt, s, drawBatches(rt, clicks)...)
		domain := clicks[0].Ref.Domain
		q := drawQuery(rt, clicks)
		q.Domain = &domain
		want := clicks.matching(q)

		if got := must1(s.Summary(t.Context(), q))(rt); got != want.totals() {
			rt.Fatalf("Summary(%+v) = %+v, want %+v", q, got, want.totals())
		}
		checkExport(rt, s, q, want)
		checkSeries(rt, s, q, want)
		checkHeatmap(rt, s, q, want)
		checkGroups(rt, s, q, want)
		for _, d := range shortener.Dimensions {
			checkBreakdown(rt, s, q, d, want)
		}
		checkLinkTotals(rt, s, clicks)
	})
}

func checkExport(rt *rapid.T, s ClickStore, q shortener.ClickQuery, want model) {
	got := exportAll(rt, s, q)
	slices.SortFunc(want, func(a, b shortener.StoredClick) int {
		return cmpOr(a.At.Compare(b.At), strings.Compare(a.Producer, b.Producer), int(a.Seq)-int(b.Seq))
	})
	if !slices.Equal(got, want) {
		rt.Fatalf("Export(%+v) = %d clicks, want %d\n got: %+v\nwant: %+v", q, len(got), len(want), got, want)
	}
}

func checkSeries(rt *rapid.T, s ClickStore, q shortener.ClickQuery, want model) {
	interval := rapid.SampledFrom([]shortener.Interval{shortener.Hour, shortener.Day, shortener.Week, shortener.Month}).Draw(rt, "interval")
	loc := rapid.SampledFrom(zones).Draw(rt, "zone")
	series := must1(s.Series(rt.Context(), q, interval, loc))(rt)
	expected := want.by(func(c shortener.StoredClick) string { return bucketKey(c.At, interval, loc) })
	var sum shortener.Totals
	seen := map[string]bool{}
	for i, b := range series {
		key := bucketKey(b.Start, interval, loc)
		if got, want := b.Totals, expected[key].totals(); got != want {
			rt.Fatalf("bucket %s of %s in %s = %+v, want %+v", key, interval, loc, got, want)
		}
		if before := bucketKey(b.Start.Add(-time.Millisecond), interval, loc); before == key || seen[key] {
			rt.Fatalf("bucket %d begins at %s, which is not the first instant of %s", i, b.Start, key)
		}
		seen[key] = true
		sum.Clicks += b.Clicks
	}
	if total := want.totals(); sum.Clicks != total.Clicks {
		rt.Fatalf("buckets of %s in %s add up to %d clicks, want %d", interval, loc, sum.Clicks, total.Clicks)
	}
}

func checkGroups(rt *rapid.T, s ClickStore, q shortener.ClickQuery, want model) {
	by := shortener.Grouping{
		Interval:   rapid.SampledFrom([]shortener.Interval{"", shortener.Hour, shortener.Day}).Draw(rt, "interval of groups"),
		Zone:       rapid.SampledFrom(zones).Draw(rt, "zone of groups"),
		Dimensions: rapid.SliceOfNDistinct(rapid.SampledFrom(shortener.Dimensions), 1, 3, rapid.ID).Draw(rt, "dimensions"),
	}
	var expected []shortener.Group
	for _, clicks := range want.by(func(c shortener.StoredClick) string {
		g := groupOf(c, by)
		return fmt.Sprintf("%d %q", g.Start.UnixMilli(), g.Values)
	}) {
		g := groupOf(clicks[0], by)
		g.Totals = clicks.totals()
		expected = append(expected, g)
	}
	slices.SortFunc(expected, func(a, b shortener.Group) int {
		return cmpOr(a.Start.Compare(b.Start), int(b.Clicks-a.Clicks), slices.Compare(a.Values, b.Values))
	})
	var got []shortener.Group
	for offset := 0; offset == 0 || offset < len(expected); offset += 3 {
		page, total, err := s.Groups(rt.Context(), q, by, 3, offset)
		if err != nil || total != len(expected) || len(page) > 3 {
			rt.Fatalf("Groups(%+v, 3, %d) = %d of %d, %v; want at most 3 of %d", by, offset, len(page), total, err, len(expected))
		}
		got = append(got, page...)
	}
	if !slices.EqualFunc(got, expected, func(a, b shortener.Group) bool {
		return a.Start.Equal(b.Start) && slices.Equal(a.Values, b.Values) && a.Totals == b.Totals
	}) {
		rt.Fatalf("Groups(%+v, %+v)\n got: %+v\nwant: %+v", q, by, got, expected)
	}
}

// groupOf is the group that a click is counted in, without totals.
func groupOf(c shortener.StoredClick, by shortener.Grouping) (g shortener.Group) {
	if by.Interval != "" {
		starts, err := shortener.BucketStarts(c.At, c.At.Add(1), by.Interval, by.Zone)
		if err != nil {
			panic(err) // the intervals are valid
		}
		g.Start = starts[0]
	}
	for _, d := range by.Dimensions {
		g.Values = append(g.Values, d.Of(&c))
	}
	return g
}

func checkHeatmap(rt *rapid.T, s ClickStore, q shortener.ClickQuery, want model) {
	loc := rapid.SampledFrom(zones).Draw(rt, "zone of the week")
	var expected shortener.HoursOfWeek
	for key, clicks := range want.by(func(c shortener.StoredClick) string { return c.At.In(loc).Format("Monday 15") }) {
		day, hour, _ := strings.Cut(key, " ")
		at := slices.Index([]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, day) * 24
		n := must1(strconv.Atoi(hour))(rt)
		expected[at+n] = clicks.totals()
	}
	if got := must1(s.Heatmap(rt.Context(), q, loc))(rt); got != expected {
		rt.Fatalf("Heatmap(%+v, %s)\n got: %+v\nwant: %+v", q, loc, got, expected)
	}
}

func checkBreakdown(rt *rapid.T, s ClickStore, q shortener.ClickQuery, d shortener.Dimension, want model) {
	var expected []shortener.Share
	for value, clicks := range want.by(func(c shortener.StoredClick) string { return d.Of(&c) }) {
		expected = append(expected, shortener.Share{Value: value, Totals: clicks.totals()})
	}
	slices.SortFunc(expected, func(a, b shortener.Share) int {
		return cmpOr(int(b.Clicks-a.Clicks), strings.Compare(a.Value, b.Value))
	})
	var got []shortener.Share
	for offset := 0; offset == 0 || offset < len(expected); offset += 3 {
		page, total, err := s.Breakdown(rt.Context(), q, d, 3, offset)
		if err != nil || total != len(expected) || len(page) > 3 {
			rt.Fatalf("Breakdown(%s, 3, %d) = %d shares of %d, %v; want at most 3 of %d", d, offset, len(page), total, err, len(expected))
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, expected) {
		rt.Fatalf("Breakdown(%+v, %s)\n got: %+v\nwant: %+v", q, d, got, expected)
	}
}

func checkLinkTotals(rt *rapid.T, s ClickStore, clicks model) {
	refs := []shortener.Ref{{Domain: clicks[0].Ref.Domain, Code: "never"}}
	for _, c := range clicks {
		refs = append(refs, c.Ref)
	}
	got := must1(s.LinkTotals(rt.Context(), refs))(rt)
	want := clicks.by(func(c shortener.StoredClick) string { return c.Ref.String() })
	if len(got) != len(want) {
		rt.Fatalf("LinkTotals has %d links, want %d", len(got), len(want))
	}
	for ref, totals := range got {
		if want := want[ref.String()].totals(); totals != want {
			rt.Fatalf("LinkTotals[%s] = %+v, want %+v", ref, totals, want)
		}
	}
}

func clicksRoundTrip(t *testing.T, s ClickStore) {
	click := shortener.StoredClick{
		Click: shortener.Click{
			At: time.UnixMilli(1_700_000_000_123).UTC(), Ref: shortener.Ref{Domain: "go.example", Code: "Ab-_9"}, Visitor: 1<<64 - 1,
			Country: "GB", Region: "ENG", City: "Łódź\x00", Referrer: "news.example/a/b", UserAgent: "Mozilla/5.0 ünï",
			Language: "de", UTM: shortener.UTM{Source: "s", Medium: "m", Campaign: "c", Term: "t", Content: "' OR 1=1 --"},
			Rule: shortener.RuleFallback, Source: shortener.SourceQR, Head: true, Prefetch: true,
		},
		Producer: "edge-1", Seq: 1 << 40, Batch: 9, ReferrerHost: "news.example", Channel: "referral",
		Browser: "Firefox", OS: "Linux", Device: "desktop", Bot: "head",
	}
	plain := shortener.StoredClick{Click: shortener.Click{At: click.At, Ref: shortener.Ref{Code: "b"}}, Producer: "edge-1", Seq: 1<<40 + 1, Batch: 9}
	bytes := plain
	bytes.Seq, bytes.UserAgent, bytes.City = plain.Seq+1, "agent \xff\xfe", "\x80"
	mustIngest(t, s, shortener.IngestBatch{Producer: "edge-1", Number: 9, Clicks: []shortener.StoredClick{click, plain, bytes}})
	bytes.UserAgent, bytes.City = "agent \ufffd", "\ufffd"
	got, want := exportAll(t, s, shortener.ClickQuery{}), []shortener.StoredClick{click, plain, bytes}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("exported\n got: %+v\nwant: %+v", got, want)
		}
	}
	for _, injected := range []string{click.UTM.Content, "x') OR ('1'='1"} {
		q := shortener.ClickQuery{Filters: []shortener.Filter{{Dimension: "utm_content", Any: []string{injected}}}}
		want := model(want).matching(q).totals()
		if got := must1(s.Summary(t.Context(), q))(t); got != want {
			t.Errorf("Summary filtered by %q = %+v, want %+v", injected, got, want)
		}
	}
}

func clicksCountOnce(t *testing.T, s ClickStore) {
	first := []uint64{1: 1, 2: 4, 3: 5, 4: 7, 5: 8}
	batch := func(producer string, number uint64, clicks int) shortener.IngestBatch {
		return madeBatch(producer, number, first[number], clicks)
	}
	for _, step := range []struct {
		name    string
		batches []shortener.IngestBatch
		fresh   int
		clicks  int64
	}{
		{"twice in one call", []shortener.IngestBatch{batch("a", 1, 3), batch("a", 1, 3)}, 1, 3},
		{"again", []shortener.IngestBatch{batch("a", 1, 3)}, 0, 3},
		{"out of order, with a gap", []shortener.IngestBatch{batch("a", 5, 2), batch("a", 3, 2)}, 2, 7},
		{"the gap closes", []shortener.IngestBatch{batch("a", 4, 1), batch("a", 3, 2), batch("a", 2, 1)}, 2, 9},
		{"all of them again", []shortener.IngestBatch{batch("a", 1, 3), batch("a", 2, 1), batch("a", 3, 2), batch("a", 4, 1), batch("a", 5, 2)}, 0, 9},
		{"the same number of another producer", []shortener.IngestBatch{batch("b", 1, 4)}, 1, 13},
		{"nothing", nil, 0, 13},
	} {
		fresh, err := s.Ingest(t.Context(), step.batches)
		if err != nil || fresh != step.fresh {
			t.Errorf("%s: Ingest() = %d fresh, %v; want %d", step.name, fresh, err, step.fresh)
		}
		if got := must1(s.Summary(t.Context(), shortener.ClickQuery{}))(t); got.Clicks != step.clicks {
			t.Errorf("%s: %d clicks, want %d", step.name, got.Clicks, step.clicks)
		}
	}
}

func clicksCountOnceConcurrently(t *testing.T, s ClickStore) {
	const callers, batches = 4, 30
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range batches {
				number := uint64((i*7+caller*11)%batches + 1)
				n, err := s.Ingest(t.Context(), []shortener.IngestBatch{madeBatch("a", number, number*10, 10)})
				if err != nil {
					t.Error(err)
				}
				fresh.Add(int64(n))
				if _, err := s.Summary(t.Context(), shortener.ClickQuery{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := must1(s.Summary(t.Context(), shortener.ClickQuery{}))(t)
	if fresh.Load() != batches || got.Clicks != batches*10 {
		t.Errorf("%d fresh batches and %d clicks, want %d and %d", fresh.Load(), got.Clicks, batches, batches*10)
	}
}

func clicksFollowTheWallClock(t *testing.T, s ClickStore) {
	for i, test := range []struct {
		name, zone string
		from, to   string // UTC
		interval   shortener.Interval
		widths     []time.Duration
	}{
		{"the clock goes forward", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z", shortener.Day, hours(23, 24)},
		{"the clock goes back", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", shortener.Day, hours(25, 24)},
		{"hours of a day of 23", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", shortener.Hour, repeat(time.Hour, 23)},
		{"hours of a day of 25", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", shortener.Hour, repeat(time.Hour, 25)},
		{"midnight left out", "America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-05T02:00:00Z", shortener.Day, hours(24, 23)},
		{"midnight twice", "America/Sao_Paulo", "2019-02-16T02:00:00Z", "2019-02-18T03:00:00Z", shortener.Day, hours(25, 24)},
		{"a day left out", "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", shortener.Day, hours(24, 24)},
		{
			"half an hour back", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", shortener.Hour,
			[]time.Duration{time.Hour, 30 * time.Minute, time.Hour},
		},
		{"three quarters of an hour off", "Asia/Kathmandu", "2026-01-01T00:15:00Z", "2026-01-01T02:15:00Z", shortener.Hour, hours(1, 1)},
		{"weeks begin on Monday", "Europe/Berlin", "2026-03-22T23:00:00Z", "2026-04-05T22:00:00Z", shortener.Week, hours(7*24-1, 7*24)},
		{"months", "America/New_York", "2026-02-01T05:00:00Z", "2026-04-01T04:00:00Z", shortener.Month, hours(28*24, 31*24-1)},
		{"minutes", "UTC", "2026-02-01T05:00:00Z", "2026-02-01T05:02:00Z", shortener.Minute, repeat(time.Minute, 2)},
		{"a range that begins and ends inside of a bucket", "UTC", "2026-02-01T05:30:00Z", "2026-02-01T06:30:00.001Z", shortener.Hour, hours(1, 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to := mustTime(t, test.from), mustTime(t, test.to)
			domain := fmt.Sprintf("zone%d.example", i)
			var batch shortener.IngestBatch
			for at := from; at.Before(to); at = at.Add(to.Sub(from) / 97) {
				at = at.Truncate(time.Millisecond)
				batch.Clicks = append(batch.Clicks, clickAt(at, domain))
			}
			mustIngest(t, s, number(batch, domain, 1, 1))
			loc := mustZone(test.zone)
			q := shortener.ClickQuery{Domain: &domain, From: from, To: to}
			series := must1(s.Series(t.Context(), q, test.interval, loc))(t)
			if len(series) != len(test.widths) {
				t.Fatalf("%d buckets, want %d: %v", len(series), len(test.widths), series)
			}
			start := series[0].Start
			for i, b := range series {
				end := start.Add(test.widths[i])
				var want int64
				for _, c := range batch.Clicks {
					if !c.At.Before(start) && c.At.Before(end) {
						want++
					}
				}
				if !b.Start.Equal(start) || b.Clicks != want {
					t.Errorf("bucket %d begins %s with %d clicks, want %s with %d", i, b.Start, b.Clicks, start.In(loc), want)
				}
				start = end
			}
		})
	}
}

func clicksEmptyStore(t *testing.T, s ClickStore) {
	ctx := t.Context()
	if got := must1(s.Summary(ctx, shortener.ClickQuery{}))(t); got != (shortener.Totals{}) {
		t.Errorf("Summary() = %+v, want zeros", got)
	}
	if series := must1(s.Series(ctx, shortener.ClickQuery{}, shortener.Day, time.UTC))(t); len(series) != 0 {
		t.Errorf("Series() = %v, want none", series)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	bounded := shortener.ClickQuery{From: from, To: from.AddDate(0, 0, 7)}
	if series := must1(s.Series(ctx, bounded, shortener.Day, time.UTC))(t); len(series) != 7 || series[3].Totals != (shortener.Totals{}) {
		t.Errorf("Series(a week) = %v, want seven empty days", series)
	}
	if shares, total, err := s.Breakdown(ctx, shortener.ClickQuery{}, "country", 10, 0); len(shares)+total != 0 || err != nil {
		t.Errorf("Breakdown() = %v, %d, %v; want none", shares, total, err)
	}
	if first, last, err := s.Bounds(ctx); !first.IsZero() || !last.IsZero() || err != nil {
		t.Errorf("Bounds() = %v, %v, %v; want zero times", first, last, err)
	}
	if got := must1(s.LinkTotals(ctx, nil))(t); len(got) != 0 {
		t.Errorf("LinkTotals(none) = %v, want none", got)
	}
	if got := exportAll(t, s, shortener.ClickQuery{}); len(got) != 0 {
		t.Errorf("Export() = %v, want none", got)
	}
}

func clicksRecent(t *testing.T, s ClickStore) {
	mustIngest(t, s, madeBatch("b", 1, 1, 5), madeBatch("a", 1, 1, 5))
	all := exportAll(t, s, shortener.ClickQuery{})
	slices.Reverse(all)
	if got := must1(s.Recent(t.Context(), shortener.ClickQuery{}, 3))(t); !slices.Equal(got, all[:3]) {
		t.Errorf("Recent(3)\n got: %+v\nwant: %+v", got, all[:3])
	}
	first, last, err := s.Bounds(t.Context())
	if err != nil || !first.Equal(all[len(all)-1].At) || !last.Equal(all[0].At) {
		t.Errorf("Bounds() = %s, %s, %v; want %s, %s", first, last, err, all[len(all)-1].At, all[0].At)
	}
}

func clicksInvalid(t *testing.T, s ClickStore) {
	ctx, badFilter := t.Context(), shortener.ClickQuery{Filters: []shortener.Filter{{Dimension: "code; DROP TABLE clicks", Any: []string{"x"}}}}
	from := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, call := range map[string]func() error{
		"filter":    func() error { _, err := s.Summary(ctx, badFilter); return err },
		"dimension": func() error { _, _, err := s.Breakdown(ctx, shortener.ClickQuery{}, "shoe_size", 1, 0); return err },
		"interval":  func() error { _, err := s.Series(ctx, shortener.ClickQuery{}, "fortnight", time.UTC); return err },
		"bots":      func() error { _, err := s.Summary(ctx, shortener.ClickQuery{Bots: "some"}); return err },
		"resolution": func() error {
			_, err := s.Series(ctx, shortener.ClickQuery{From: from, To: from.AddDate(30, 0, 0)}, shortener.Minute, time.UTC)
			return err
		},
		"no number": func() error { _, err := s.Ingest(ctx, []shortener.IngestBatch{madeBatch("a", 0, 1, 1)}); return err },
		"no name":   func() error { _, err := s.Ingest(ctx, []shortener.IngestBatch{madeBatch("", 1, 1, 1)}); return err },
		"no UTF-8":  func() error { _, err := s.Ingest(ctx, []shortener.IngestBatch{madeBatch("\xff", 1, 1, 1)}); return err },
	} {
		if err := call(); shortener.KindOf(err) != shortener.Invalid {
			t.Errorf("%s: got %v, want an Invalid problem", name, err)
		}
	}
}

func clicksExportStops(t *testing.T, s ClickStore) {
	mustIngest(t, s, madeBatch("a", 1, 1, 10))
	enough, calls := errors.New("enough"), 0
	err := s.Export(t.Context(), shortener.ClickQuery{}, func(shortener.StoredClick) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 3 {
		t.Errorf("Export() = %v after %d calls, want the reader's error after 3", err, calls)
	}
}
