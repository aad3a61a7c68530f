package shortener

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// moments are those that records can hold: milliseconds, and none for zero.
func moments() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return fromMillis(rapid.Int64Range(-62_000_000_000_000, 253_402_300_799_999).Draw(t, "ms"))
	})
}

func refs() *rapid.Generator[Ref] {
	return rapid.Custom(func(t *rapid.T) Ref {
		return Ref{Domain: rapid.StringMatching(`([a-z]{1,8}\.[a-z]{2})?`).Draw(t, "domain"), Code: rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "code")}
	})
}

func records() *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		return Record{
			Ref:            refs().Draw(t, "ref"),
			Version:        int64(rapid.Uint32().Draw(t, "version")),
			State:          State(rapid.IntRange(0, int(Deleted)).Draw(t, "state")),
			RedirectStatus: rapid.SampledFrom([]int{301, 302, 307, 308}).Draw(t, "status"),
			StartsAt:       moments().Draw(t, "starts"),
			ExpiresAt:      moments().Draw(t, "expires"),
			Target:         rapid.String().Draw(t, "target"),
			FallbackURL:    rapid.String().Draw(t, "fallback"),
			ForwardQuery:   rapid.Bool().Draw(t, "forward"),
			Title:          rapid.String().Draw(t, "title"),
		}
	})
}

func clicks() *rapid.Generator[Click] {
	return rapid.Custom(func(t *rapid.T) Click {
		text := rapid.String()
		return Click{
			At:        time.UnixMilli(rapid.Int64Range(math.MinInt32, 1<<45).Draw(t, "at")).UTC(),
			Ref:       refs().Draw(t, "ref"),
			Visitor:   rapid.Uint64().Draw(t, "visitor"),
			Country:   text.Draw(t, "country"),
			Region:    text.Draw(t, "region"),
			City:      text.Draw(t, "city"),
			Referrer:  text.Draw(t, "referrer"),
			UserAgent: text.Draw(t, "user agent"),
			Language:  text.Draw(t, "language"),
			UTM: UTM{
				text.Draw(t, "source"), text.Draw(t, "medium"), text.Draw(t, "campaign"), text.Draw(t, "term"), text.Draw(t, "content"),
			},
			Rule:     text.Draw(t, "rule"),
			Source:   rapid.SampledFrom([]Source{SourceLink, SourceQR}).Draw(t, "source of click"),
			Head:     rapid.Bool().Draw(t, "head"),
			Prefetch: rapid.Bool().Draw(t, "prefetch"),
		}
	})
}

func batches() *rapid.Generator[Batch] {
	return rapid.Custom(func(t *rapid.T) Batch {
		b := Batch{
			Producer: rapid.StringN(1, -1, 40).Draw(t, "producer"),
			Number:   rapid.Uint64Min(1).Draw(t, "number"),
			FirstSeq: rapid.Uint64().Draw(t, "first"),
			Clicks:   [][]byte{},
		}
		for _, c := range rapid.SliceOfN(clicks(), 0, 5).Draw(t, "clicks") {
			b.Clicks = append(b.Clicks, AppendClick(nil, &c))
		}
		return b
	})
}

// A round trip gives what was put in; whatever is cut off from the end or put behind it is noticed.
func TestRoundTrips(t *testing.T) {
	t.Run("record", rapid.MakeCheck(func(t *rapid.T) {
		r := records().Draw(t, "record")
		raw := AppendRecord([]byte("before"), r)[len("before"):]
		wantRoundTrip(t, raw, r, DecodeRecord, ErrRecord)
		if v, err := RecordVersion(raw); err != nil || v != r.Version {
			t.Fatalf("RecordVersion = %d, %v; want %d", v, err, r.Version)
		}
	}))
	t.Run("click", rapid.MakeCheck(func(t *rapid.T) {
		c := clicks().Draw(t, "click")
		wantRoundTrip(t, AppendClick([]byte("before"), &c)[len("before"):], c, DecodeClick, ErrClick)
	}))
	t.Run("batch", rapid.MakeCheck(func(t *rapid.T) {
		b := batches().Draw(t, "batch")
		wantRoundTrip(t, AppendBatch([]byte("before"), b)[len("before"):], b, DecodeBatch, ErrBatch)
	}))
}

func wantRoundTrip[T any](t *rapid.T, raw []byte, want T, decode func([]byte) (T, error), damaged error) {
	if got, err := decode(raw); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded %+v, %v\nwant %+v", got, err, want)
	}
	cut := rapid.IntRange(0, len(raw)-1).Draw(t, "cut")
	if got, err := decode(raw[:cut:cut]); !errors.Is(err, damaged) {
		t.Fatalf("decoded %+v, %v from %d bytes of %d, want %v", got, err, cut, len(raw), damaged)
	}
	if got, err := decode(append(bytes.Clone(raw), 0)); !errors.Is(err, damaged) {
		t.Fatalf("decoded %+v, %v with a byte too many, want %v", got, err, damaged)
	}
}

// The order of encoded records is that of their versions, as far as the prefix goes.
func TestPrefixesOfRecordsAreOrderedByVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := records().Draw(t, "a"), records().Draw(t, "b")
		rawA, rawB := AppendRecord(nil, a), AppendRecord(nil, b)
		if less := string(rawA[:VersionWidth]) < string(rawB[:VersionWidth]); less != (a.Version < b.Version) {
			t.Fatalf("version %d sorts before %d: %v", a.Version, b.Version, less)
		}
	})
}

// An edit of the encoding makes unreadable what shards and spools hold: it needs a format of its own.
func TestEncodingsStayAsTheyAre(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	record := Record{
		Ref: Ref{"d.example", "abc"}, Version: 258, State: Disabled, RedirectStatus: 307, StartsAt: at, ExpiresAt: at.Add(time.Hour),
		Target: "https://e.example/", FallbackURL: "https://f.example/", ForwardQuery: true, Title: "T",
	}
	click := Click{At: at, Ref: record.Ref, Visitor: 1 << 40, Country: "GB", UserAgent: "ua", UTM: UTM{Source: "s", Content: "c"}, Source: SourceQR, Head: true}
	for name, tc := range map[string]struct{ got, want string }{
		"record": {string(AppendRecord(nil, record)), "000001021\x01\x01\xb3\x02\xc0\xc8\xe9\xf3\x96\x67\xc0\x82\xa1\xf7\x96\x67\td.example\x03abc\x12https://e.example/\x12https://f.example/\x01T"},
		"click":  {string(AppendClick(nil, &click)), "\x01\x03\x00\x00\x00\x00\x00\x01\x00\x00\xc0\xc8\xe9\xf3\x96\x67\td.example\x03abc\x02GB\x00\x00\x00\x02ua\x00\x01s\x00\x00\x00\x01c\x00"},
		"batch":  {string(AppendBatch(nil, Batch{"p", 2, 300, [][]byte{{7}, {8, 9}}})), "\x01\x01p\x02\xac\x02\x02\x01\x07\x02\x08\x09"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q\nwant %q", name, tc.got, tc.want)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(AppendRecord(nil, Record{Ref: Ref{"", "abc"}, Version: 1, RedirectStatus: 302, Target: "https://example.com/"}))
	f.Add([]byte("000000012\x00\x00"))
	fuzzDecoder(f, DecodeRecord, func(r Record) []byte { return AppendRecord(nil, r) }, ErrRecord)
}

func FuzzDecodeClick(f *testing.F) {
	f.Add(AppendClick(nil, &Click{Ref: Ref{"", "abc"}, At: time.UnixMilli(1), UserAgent: "ua"}))
	fuzzDecoder(f, DecodeClick, func(c Click) []byte { return AppendClick(nil, &c) }, ErrClick)
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add(AppendBatch(nil, Batch{Producer: "p", Number: 1, FirstSeq: 1, Clicks: [][]byte{{1}, {2}}}))
	f.Add([]byte("\x01\x01p\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	fuzzDecoder(f, DecodeBatch, func(b Batch) []byte { return AppendBatch(nil, b) }, ErrBatch)
}

// fuzzDecoder checks that any bytes are refused with the decoder's error, or are a value that comes
// out of a round trip as it went in.
func fuzzDecoder[T any](f *testing.F, decode func([]byte) (T, error), encode func(T) []byte, damaged error) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := decode(raw)
		if err != nil {
			if !errors.Is(err, damaged) {
				t.Fatalf("decode: %v, want %v", err, damaged)
			}
			return
		}
		second, err := decode(encode(first))
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("decoded %+v, then %+v, %v", first, second, err)
		}
	})
}

func BenchmarkAppendClick(b *testing.B) {
	c := Click{At: time.UnixMilli(1 << 40), Ref: Ref{"", "abcdefgh"}, Visitor: 1, UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", Language: "en"}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendClick(buf[:0], &c)
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	raw := AppendRecord(nil, Record{Ref: Ref{"", "abcdefgh"}, Version: 7, RedirectStatus: 302, Target: "https://example.com/a?b=c"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
}
