package shortener

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func encoded(t testing.TB, c Content) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestApply(t *testing.T) {
	ref := Ref{"", "abc"}
	expires := noon.Add(time.Hour)
	content := Content{ID: "42", Target: "https://a.test/", Title: "T", Tags: []string{"x"}, RedirectStatus: 302, ExpiresAt: &expires}
	created := Link{
		Ref: ref, ID: "42", Target: "https://a.test/", Title: "T", Tags: []string{"x"}, RedirectStatus: 302, ExpiresAt: expires,
		Version: 1, CreatedAt: noon, UpdatedAt: noon, CreatedBy: "key_a",
	}
	after := func(change func(*Link)) Link {
		l := created
		l.Version, l.UpdatedAt = 2, noon.Add(tick)
		change(&l)
		return l
	}
	for name, tc := range map[string]struct {
		before Link
		event  Event
		want   Link
	}{
		"created": {Link{}, Event{Version: 1, Type: LinkCreated, At: noon, Data: encoded(t, content)}, created},
		"edited: an edit says all, and is by another": {
			created,
			Event{Version: 2, Type: LinkEdited, At: noon.Add(tick), Data: encoded(t, Content{ID: "43", Target: "https://b.test/", RedirectStatus: 301})},
			after(func(l *Link) {
				l.Target, l.RedirectStatus, l.Title, l.Tags, l.ExpiresAt = "https://b.test/", 301, "", nil, time.Time{}
			}),
		},
		"disabled": {created, Event{Version: 2, Type: LinkDisabled, At: noon.Add(tick)}, after(func(l *Link) { l.State = Disabled })},
		"deleted":  {created, Event{Version: 2, Type: LinkDeleted, At: noon.Add(tick)}, after(func(l *Link) { l.State = Deleted })},
		"enabled": {
			func() Link { l := created; l.State = Disabled; return l }(),
			Event{Version: 2, Type: LinkEnabled, At: noon.Add(tick)},
			after(func(*Link) {}),
		},
		"restored": {
			func() Link { l := created; l.State = Deleted; return l }(),
			Event{Version: 2, Type: LinkRestored, At: noon.Add(tick)},
			after(func(*Link) {}),
		},
	} {
		tc.event.Ref, tc.event.Actor = ref, "key_a"
		if tc.event.Type != LinkCreated {
			tc.event.Actor = "key_b"
		}
		if got, err := tc.before.Apply(tc.event); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, tc.want)
		}
	}
}

func TestEventsThatDoNotFollowStopAProjection(t *testing.T) {
	link := Link{Ref: Ref{"", "abc"}, Target: "https://a.test/", Version: 3}
	for name, e := range map[string]Event{
		"an unknown type":      {Version: 4, Type: "link.sold"},
		"no type":              {Version: 4},
		"the same version":     {Version: 3, Type: LinkDeleted},
		"a version left out":   {Version: 5, Type: LinkDeleted},
		"data that is no JSON": {Version: 4, Type: LinkEdited, Data: json.RawMessage(`{`)},
		"no data":              {Version: 4, Type: LinkEdited},
	} {
		if got, err := link.Apply(e); err == nil || !reflect.DeepEqual(got, link) {
			t.Errorf("%s: got %+v, %v; want an error and the link as it was", name, got, err)
		}
	}
}

// Content is written and read again without loss: what a link says survives its event.
func TestContentSurvivesItsEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Link{
			Ref: refs().Draw(t, "ref"), ID: "1", Target: "https://a.test/", Title: rapid.String().Draw(t, "title"), Note: rapid.String().Draw(t, "note"),
			RedirectStatus: 302, StartsAt: moments().Draw(t, "starts"), ExpiresAt: moments().Draw(t, "expires"),
			FallbackURL: rapid.SampledFrom([]string{"", "https://f.test/"}).Draw(t, "fallback"), ForwardQuery: rapid.Bool().Draw(t, "forward"),
			Version: 1, CreatedAt: noon, UpdatedAt: noon,
		}
		if tags := rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "tags"); rapid.Bool().Draw(t, "tagged") {
			l.Tags = tags
		}
		c := l.Content()
		c.ID = l.ID
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Link{}.Apply(Event{Ref: l.Ref, Version: 1, Type: LinkCreated, At: noon, Data: raw})
		if err != nil || !reflect.DeepEqual(got, l) || !got.Content().equal(l.Content()) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, l)
		}
	})
}
