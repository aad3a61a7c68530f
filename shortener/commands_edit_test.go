package shortener_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
)

func TestEdit(t *testing.T) {
	full := shortener.NewLink{
		Code: "c", Title: "T", Note: "N", Tags: []string{"a"}, StartsAt: noon.Add(time.Hour), ExpiresAt: noon.Add(2 * time.Hour),
		FallbackURL: "https://f.example/", ForwardQuery: true, RedirectStatus: 307,
	}
	for name, tc := range map[string]struct {
		patch  shortener.Patch
		events []shortener.EventType
		want   func(*shortener.Link)
	}{
		"nothing":                 {shortener.Patch{}, nil, func(*shortener.Link) {}},
		"to what is":              {shortener.Patch{URL: ptr(target), Title: ptr("T"), Tags: ptr([]string{"a", " a"}), StartsAt: shortener.Some(full.StartsAt.Add(5)), Disabled: ptr(false), ForwardQuery: ptr(true)}, nil, func(*shortener.Link) {}},
		"to another spelling":     {shortener.Patch{URL: ptr("HTTPS://EXAMPLE.com:443/a?b=c")}, nil, func(*shortener.Link) {}},
		"target":                  {shortener.Patch{URL: ptr("https://b.example")}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.Target = "https://b.example/" }},
		"texts":                   {shortener.Patch{Title: ptr("U"), Note: ptr("")}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.Title, l.Note = "U", "" }},
		"tags taken away":         {shortener.Patch{Tags: ptr([]string{})}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.Tags = nil }},
		"schedule taken away":     {shortener.Patch{StartsAt: shortener.Optional[time.Time]{Set: true}, ExpiresAt: shortener.Optional[time.Time]{Set: true}}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.StartsAt, l.ExpiresAt = time.Time{}, time.Time{} }},
		"fallback taken away":     {shortener.Patch{FallbackURL: shortener.Some("")}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.FallbackURL = "" }},
		"status back to default":  {shortener.Patch{RedirectStatus: ptr(0)}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.RedirectStatus = 302 }},
		"query no more forwarded": {shortener.Patch{ForwardQuery: ptr(false)}, []shortener.EventType{shortener.LinkEdited}, func(l *shortener.Link) { l.ForwardQuery = false }},
		"disabled":                {shortener.Patch{Disabled: ptr(true)}, []shortener.EventType{shortener.LinkDisabled}, func(l *shortener.Link) { l.State = shortener.Disabled }},
		"edited and disabled":     {shortener.Patch{Title: ptr("U"), Disabled: ptr(true)}, []shortener.EventType{shortener.LinkEdited, shortener.LinkDisabled}, func(l *shortener.Link) { l.Title, l.State = "U", shortener.Disabled }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			want := f.create(t, full)
			f.now = noon.Add(time.Minute)
			if len(tc.events) > 0 {
				want.Version, want.UpdatedAt = 1+int64(len(tc.events)), f.now
			}
			tc.want(&want)
			got, err := f.Edit(t.Context(), "key_b", want.Ref, tc.patch, at(1))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("edited %+v, %v\nwant   %+v", got, err, want)
			}
			var types []shortener.EventType
			for _, e := range f.log.All()[1:] {
				types = append(types, e.Type)
			}
			if !reflect.DeepEqual(types, tc.events) {
				t.Errorf("events %v, want %v", types, tc.events)
			}
			if r, _ := f.view.Get(want.Ref); r != want.Record() {
				t.Errorf("view has %+v, want %+v", r, want.Record())
			}
		})
	}
}

func TestEditEnablesAgain(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	for i, disabled := range []bool{true, false} {
		got, err := f.Edit(t.Context(), "key_a", l.Ref, shortener.Patch{Disabled: &disabled}, nil)
		if err != nil || (got.State == shortener.Disabled) != disabled || got.Version != int64(i+2) {
			t.Errorf("disabled %v: got %+v, %v", disabled, got, err)
		}
	}
}

func TestRulesOfEditAreForWhatChanges(t *testing.T) {
	past := noon.Add(-time.Hour)
	for name, tc := range map[string]struct {
		patch shortener.Patch
		slugs []string
	}{
		"an expired link is given a title":  {shortener.Patch{Title: ptr("U")}, nil},
		"its expiry is said again":          {shortener.Patch{Title: ptr("U"), ExpiresAt: shortener.Some(noon.Add(time.Hour))}, nil},
		"its expiry moves within the past":  {shortener.Patch{ExpiresAt: shortener.Some(past)}, []string{"expires-in-past"}},
		"its expiry moves to the future":    {shortener.Patch{ExpiresAt: shortener.Some(noon.Add(72 * time.Hour))}, nil},
		"its start moves behind its expiry": {shortener.Patch{StartsAt: shortener.Some(noon.Add(2 * time.Hour))}, []string{"expires-before-start"}},
		"all at once": {
			shortener.Patch{URL: ptr("ftp://a.test"), FallbackURL: shortener.Some("x"), Title: ptr("\x00"), RedirectStatus: ptr(1), Tags: ptr([]string{"\x01"})},
			[]string{"invalid-url", "invalid-url", "control-character", "control-character", "invalid-redirect-status"},
		},
	} {
		f := newFixture(t)
		l := f.create(t, shortener.NewLink{ExpiresAt: noon.Add(time.Hour)})
		f.now = noon.Add(24 * time.Hour)
		_, err := f.Edit(t.Context(), "key_a", l.Ref, tc.patch, nil)
		problems, _ := errors.AsType[shortener.Problems](err)
		var slugs []string
		for _, p := range problems {
			slugs = append(slugs, p.Slug)
		}
		if !reflect.DeepEqual(slugs, tc.slugs) || (err != nil) != (tc.slugs != nil) {
			t.Errorf("%s: got %v (%q), want %q", name, err, slugs, tc.slugs)
		}
	}
}

func TestVersionsThatDoNotMatch(t *testing.T) {
	f := newFixture(t)
	ctx, l := t.Context(), f.create(t, shortener.NewLink{})
	if _, err := f.Edit(ctx, "key_a", l.Ref, edited(), at(1)); err != nil {
		t.Fatal(err)
	}
	_, err := f.Edit(ctx, "key_a", l.Ref, shortener.Patch{Title: ptr("late")}, at(1))
	wantKind(t, "edit at an old version", err, shortener.Conflict, "version-conflict")
	_, err = f.Edit(ctx, "key_a", l.Ref, edited(), at(1))
	wantKind(t, "an edit of nothing at an old version", err, shortener.Conflict, "version-conflict")
	_, err = f.Delete(ctx, "key_a", l.Ref, at(3))
	wantKind(t, "delete at a version to come", err, shortener.Conflict, "version-conflict")
	if _, err := f.Delete(ctx, "key_a", l.Ref, at(2)); err != nil {
		t.Fatal(err)
	}
	_, err = f.Restore(ctx, "key_a", l.Ref, at(2))
	wantKind(t, "restore at an old version", err, shortener.Conflict, "version-conflict")
}

func TestDeleteAndRestore(t *testing.T) {
	f := newFixture(t)
	ctx, l := t.Context(), f.create(t, shortener.NewLink{})
	deleted, err := f.Delete(ctx, "key_b", l.Ref, nil)
	if err != nil || deleted.State != shortener.Deleted || deleted.Version != 2 {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
	if r, _ := f.view.Get(l.Ref); r.State != shortener.Deleted {
		t.Errorf("view has %+v, want a tombstone", r)
	}
	_, err = f.Delete(ctx, "key_b", l.Ref, nil)
	wantKind(t, "delete again", err, shortener.Gone, "")
	_, err = f.Edit(ctx, "key_b", l.Ref, edited(), at(1))
	wantKind(t, "edit", err, shortener.Gone, "")
	if got, err := f.Link(ctx, l.Ref); err != nil || got.State != shortener.Deleted {
		t.Errorf("Link = %+v, %v; want the deleted link", got, err)
	}
	restored, err := f.Restore(ctx, "key_b", l.Ref, at(2))
	if err != nil || restored.State != shortener.Active || restored.Version != 3 || restored.Target != target {
		t.Errorf("restored %+v, %v", restored, err)
	}
	again, err := f.Restore(ctx, "key_b", l.Ref, nil)
	if err != nil || again.Version != 3 {
		t.Errorf("restored again %+v, %v; want it as it is", again, err)
	}
}

// between runs a change by somebody else once, after a command has read and before it writes.
func (f *fixture) between(change func()) {
	f.log.Before = func(context.Context, shortener.Commit) error {
		f.log.Before = nil
		change()
		return nil
	}
}

func TestARaceIsRunAgainUnlessAVersionIsExpected(t *testing.T) {
	f := newFixture(t)
	ctx, l := t.Context(), f.create(t, shortener.NewLink{})
	other := func() {
		if _, err := f.Edit(ctx, "key_b", l.Ref, shortener.Patch{Note: ptr(fmt.Sprint(f.codes.n, len(f.log.All())))}, nil); err != nil {
			t.Error(err)
		}
	}
	f.between(other)
	got, err := f.Edit(ctx, "key_a", l.Ref, edited(), nil)
	if err != nil || got.Version != 3 || got.Title != "edited" || got.Note == "" {
		t.Errorf("edited %+v, %v; want both changes", got, err)
	}
	f.between(other)
	_, err = f.Edit(ctx, "key_a", l.Ref, shortener.Patch{Title: ptr("again")}, at(3))
	wantKind(t, "edit of an expected version", err, shortener.Conflict, "version-conflict")
	f.between(func() { _, _ = f.Delete(ctx, "key_b", l.Ref, nil) })
	_, err = f.Edit(ctx, "key_a", l.Ref, shortener.Patch{Title: ptr("again")}, nil)
	wantKind(t, "edit of what is being deleted", err, shortener.Gone, "")
}

func TestEndlessRacesEnd(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	calls := 0
	f.log.Before = func(context.Context, shortener.Commit) error {
		calls++
		return shortener.Errorf(shortener.Conflict, "somebody was faster")
	}
	_, err := f.Edit(t.Context(), "key_a", l.Ref, edited(), nil)
	wantKind(t, "edit", err, shortener.Conflict, "version-conflict")
	if calls != 5 {
		t.Errorf("tried %d times, want 5", calls)
	}
}

func TestConcurrentEditsAreAllThere(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 8 {
		wg.Go(func() {
			_, err := f.Edit(t.Context(), "key_a", l.Ref, shortener.Patch{Title: ptr(strconv.Itoa(i))}, nil)
			if err == nil {
				mu.Lock()
				done++
				mu.Unlock()
			} else if shortener.KindOf(err) != shortener.Conflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := f.Link(t.Context(), l.Ref)
	if err != nil || got.Version != int64(1+done) {
		t.Errorf("version %d after %d edits, %v", got.Version, done, err)
	}
	if r, _ := f.view.Get(l.Ref); r != got.Record() {
		t.Errorf("view has %+v, want the last version %+v", r, got.Record())
	}
}
