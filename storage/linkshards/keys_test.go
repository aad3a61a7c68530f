package linkshards

import (
	"testing"

	"pgregory.net/rapid"

	"snowlink/shortener"
)

var drawRef = rapid.Custom(func(t *rapid.T) shortener.Ref {
	return shortener.Ref{
		Domain: rapid.StringMatching(`([a-z]{1,3}\.[a-z]{2})?`).Draw(t, "domain"),
		Code:   rapid.StringMatching(`[A-Za-z0-9_-]{1,4}`).Draw(t, "code"),
	}
})

func TestAnnouncementsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, version := drawRef.Draw(t, "ref"), rapid.Int64Range(1, 1<<32-1).Draw(t, "version")
		ref, v, err := parseAnnouncement(announcement(want, version))
		if err != nil || ref != want || v != version {
			t.Fatalf("got %v, %d, %v; want %v, %d", ref, v, err, want, version)
		}
	})
}

func TestLinksHaveKeysOfTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRef.Draw(t, "a"), drawRef.Draw(t, "b")
		if (linkKey(a) == linkKey(b)) != (a == b) {
			t.Fatalf("keys of %v and %v: got %q and %q", a, b, linkKey(a), linkKey(b))
		}
	})
}

func FuzzParseAnnouncement(f *testing.F) {
	f.Add("/abc 1")
	f.Add("go.example/abc 12")
	f.Add("abc")
	f.Fuzz(func(t *testing.T, text string) {
		ref, _, err := parseAnnouncement(text)
		if err == nil && ref.Code == "" {
			t.Errorf("%q: got no code and no error", text)
		}
	})
}
