package shortener

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsCoverTheRangeWithoutOverlap(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca"}
	widest := map[Interval]time.Duration{Minute: time.Minute, Hour: time.Hour, Day: 49 * time.Hour, Week: 9 * 24 * time.Hour, Month: 33 * 24 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		interval := rapid.SampledFrom([]Interval{Minute, Hour, Day, Week, Month}).Draw(t, "interval")
		from := time.Unix(rapid.Int64Range(0, 2_000_000_000).Draw(t, "from"), rapid.Int64Range(0, 999).Draw(t, "ns"))
		to := from.Add(time.Duration(rapid.Int64Range(1, int64(500*widest[interval])).Draw(t, "width")))
		starts, err := BucketStarts(from, to, interval, loc)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(starts); starts[0].After(from) || !starts[1].After(from) || starts[n-1].Before(to) || !starts[n-2].Before(to) {
			t.Fatalf("buckets from %s, %s to %s, %s do not fit [%s, %s)", starts[0], starts[1], starts[n-2], starts[n-1], from, to)
		}
		for i := 1; i < len(starts); i++ {
			if width := starts[i].Sub(starts[i-1]); width <= 0 || width > widest[interval] {
				t.Fatalf("a %s from %s to %s, want more than nothing and at most %s", interval, starts[i-1], starts[i], widest[interval])
			}
		}
		again, err := BucketStarts(starts[len(starts)-2], to, interval, loc)
		if err != nil || len(again) != 2 || !again[0].Equal(starts[len(starts)-2]) {
			t.Fatalf("the last bucket alone is %v, %v; want the one that begins %s", again, err, starts[len(starts)-2])
		}
	})
}

func TestBucketsThatAreRefused(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, call := range map[string]func() ([]time.Time, error){
		"an unknown interval": func() ([]time.Time, error) { return BucketStarts(from, from.Add(1), "fortnight", time.UTC) },
		"too many":            func() ([]time.Time, error) { return BucketStarts(from, from.AddDate(1, 0, 0), Minute, time.UTC) },
	} {
		if starts, err := call(); KindOf(err) != Invalid {
			t.Errorf("%s: got %d buckets, %v; want an Invalid problem", name, len(starts), err)
		}
	}
	if starts, err := BucketStarts(from, from, Day, time.UTC); len(starts) != 0 || err != nil {
		t.Errorf("an empty range: got %v, %v; want no buckets", starts, err)
	}
}

func BenchmarkBucketStarts(b *testing.B) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, loc)
	for b.Loop() {
		if _, err := BucketStarts(from, from.AddDate(1, 0, 0), Day, loc); err != nil {
			b.Fatal(err)
		}
	}
}
