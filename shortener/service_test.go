package shortener_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/shortener/shortenertest"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const target = "https://example.com/a?b=c"

// counter generates codes in order: what they are is tested elsewhere.
type counter struct {
	n     int
	codes []string // given first
}

func (c *counter) Next() (id, code string, err error) {
	c.n++
	code = fmt.Sprintf("code%04d", c.n)
	if c.n <= len(c.codes) {
		code = c.codes[c.n-1]
	}
	return strconv.Itoa(1000 + c.n), code, nil
}

type fixture struct {
	*shortener.Service
	log   *shortenertest.Log
	view  *shortenertest.View
	codes *counter
	now   time.Time
	out   *bytes.Buffer
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{
		log: &shortenertest.Log{}, view: &shortenertest.View{}, codes: &counter{}, now: noon.Add(123456 * time.Nanosecond), out: &bytes.Buffer{},
	}
	f.Service = shortener.NewService(shortener.ServiceConfig{
		Log: f.log, View: f.view, Codes: f.codes, Targets: shortener.NewTargets([]string{"sho.rt"}),
		Domains: []string{"go.example", "BÜCHER.example."}, DefaultDomain: "sho.rt:8080",
		Now: func() time.Time { return f.now }, Logger: slog.New(slog.NewTextHandler(f.out, nil)),
	})
	return f
}

func (f *fixture) create(t testing.TB, n shortener.NewLink) shortener.Link {
	t.Helper()
	if n.URL == "" {
		n.URL = target
	}
	l, replayed, err := f.Create(t.Context(), "key_a", n, nil)
	if err != nil || replayed {
		t.Fatalf("create: %+v, replayed %v, %v", l, replayed, err)
	}
	return l
}

func wantKind(t testing.TB, what string, err error, want shortener.Kind, slug string) {
	t.Helper()
	p, ok := errors.AsType[*shortener.Problem](err)
	if !ok || p.Kind != want || slug != "" && p.Slug != slug {
		t.Errorf("%s: got %v (%+v), want kind %s with slug %q", what, err, p, want, slug)
	}
}

func at(v int64) *int64       { return &v }
func ptr[T any](v T) *T       { return &v }
func edited() shortener.Patch { return shortener.Patch{Title: ptr("edited")} }

func TestAReplayShowsNothing(t *testing.T) {
	f := newFixture(t)
	once := &shortener.Once{Owner: "key_a", Key: "once", Fingerprint: [32]byte{1}, Expires: f.now.Add(time.Hour)}
	made, _, err := f.Create(t.Context(), "key_a", shortener.NewLink{URL: target}, once)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Delete(t.Context(), "key_a", made.Ref, nil); err != nil {
		t.Fatal(err)
	}
	f.view.Clear() // a shard that came back empty
	again, replayed, err := f.Create(t.Context(), "key_a", shortener.NewLink{URL: target}, once)
	if err != nil || !replayed || again.Ref != made.Ref {
		t.Fatalf("repeat: got %+v, replayed %v, %v; want the link as it was made", again, replayed, err)
	}
	if r, ok := f.view.Get(made.Ref); ok {
		t.Errorf("the view holds version %d of a link that was deleted since, want nothing", r.Version)
	}
}
