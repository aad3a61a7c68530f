package shortener_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"snowlink/shortener"
	"snowlink/shortener/shortenertest"
)

func TestRefsOfTheDefaultDomainNameNone(t *testing.T) {
	f := newFixture(t)
	for given, want := range map[string]string{
		"": "", "sho.rt": "", "SHO.RT.": "", "sho.rt:8080": "", "sho.rt:1": "", "go.example": "go.example", "Go.Example:443": "go.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "bücher.example": "xn--bcher-kva.example",
	} {
		got, err := f.Ref(given, "c")
		if err != nil || got != (shortener.Ref{Domain: want, Code: "c"}) {
			t.Errorf("Ref(%q) = %v, %v; want domain %q", given, got, err, want)
		}
	}
	for _, given := range []string{"evil.example", "sub.go.example", "sho.rt/x", "u@sho.rt", "sho.rt\n", "sho.rt?", " ", "."} {
		got, err := f.Ref(given, "c")
		wantKind(t, fmt.Sprintf("Ref(%q) = %v", given, got), err, shortener.Invalid, "unknown-domain")
	}
}

func TestWhatNeverWas(t *testing.T) {
	f, ref := newFixture(t), shortener.Ref{Code: "never"}
	_, err := f.Link(t.Context(), ref)
	wantKind(t, "link", err, shortener.NotFound, "")
	_, err = f.Resolve(t.Context(), ref)
	wantKind(t, "resolve", err, shortener.NotFound, "")
	_, err = f.History(t.Context(), ref)
	wantKind(t, "history", err, shortener.NotFound, "")
	_, err = f.Edit(t.Context(), "key_a", ref, edited(), nil)
	wantKind(t, "edit", err, shortener.NotFound, "")
	_, err = f.Delete(t.Context(), "key_a", ref, at(1))
	wantKind(t, "delete", err, shortener.NotFound, "")
	_, err = f.Restore(t.Context(), "key_a", ref, nil)
	wantKind(t, "restore", err, shortener.NotFound, "")
}

func TestHistoryShowsEachChange(t *testing.T) {
	f := newFixture(t)
	ctx, l := t.Context(), f.create(t, shortener.NewLink{Title: "first"})
	if _, err := f.Edit(ctx, "key_b", l.Ref, shortener.Patch{Title: ptr("second"), Disabled: ptr(true)}, nil); err != nil {
		t.Fatal(err)
	}
	last, err := f.Delete(ctx, "key_c", l.Ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := f.History(ctx, l.Ref)
	if err != nil || len(changes) != 4 {
		t.Fatalf("history %+v, %v; want four changes", changes, err)
	}
	for i, c := range changes {
		if c.Version != int64(i+1) || c.After == nil || c.After.Version != c.Version {
			t.Errorf("change %d: version %d, after %+v", i, c.Version, c.After)
		}
		if i == 0 && c.Before != nil || i > 0 && c.Before != changes[i-1].After {
			t.Errorf("change %d: before %+v, want what was after the one before", i, c.Before)
		}
	}
	if changes[1].Before.Title != "first" || changes[1].After.Title != "second" || changes[1].Actor != "key_b" || changes[2].Type != shortener.LinkDisabled {
		t.Errorf("the edit: %+v", changes[1])
	}
	if !reflect.DeepEqual(*changes[3].After, last) {
		t.Errorf("after all %+v\nwant %+v", *changes[3].After, last)
	}
}

func TestResolveRepairsTheView(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	f.view.Clear()
	got, err := f.Resolve(t.Context(), l.Ref)
	if err != nil || got != l.Record() {
		t.Errorf("Resolve = %+v, %v; want %+v", got, err, l.Record())
	}
	f.Close() // waits for the repair
	if r, ok := f.view.Get(l.Ref); !ok || r != got {
		t.Errorf("view has %+v, %v; want it repaired", r, ok)
	}
	if _, err := f.Delete(t.Context(), "key_a", l.Ref, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Resolve(t.Context(), l.Ref); err != nil || got.State != shortener.Deleted {
		t.Errorf("Resolve of a deleted link = %+v, %v; want its tombstone", got, err)
	}
}

// A view that hangs holds nobody up who asks for a link, and does not gather repairs without end.
func TestResolveDoesNotWaitForAViewThatHangs(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	release := make(chan struct{})
	var hanging atomic.Int64
	f.view.Before = func(ctx context.Context, _ shortener.Record) error {
		hanging.Add(1)
		<-release
		return nil
	}
	for range 1000 {
		if got, err := f.Resolve(t.Context(), l.Ref); err != nil || got != l.Record() {
			t.Fatalf("Resolve = %+v, %v; want %+v", got, err, l.Record())
		}
	}
	close(release)
	f.Close()
	if n := hanging.Load(); n == 0 || n > 64 {
		t.Errorf("%d repairs were begun, want some, and 64 at most", n)
	}
}

func TestALogThatIsDownFailsCommands(t *testing.T) {
	f := newFixture(t)
	l := f.create(t, shortener.NewLink{})
	f.log.Before = func(context.Context, shortener.Commit) error { return shortener.Errorf(shortener.Unavailable, "down") }
	_, _, err := f.Create(t.Context(), "key_a", shortener.NewLink{URL: target}, nil)
	wantKind(t, "create", err, shortener.Unavailable, "")
	_, err = f.Delete(t.Context(), "key_a", l.Ref, nil)
	wantKind(t, "delete", err, shortener.Unavailable, "")
	if r, _ := f.view.Get(l.Ref); r.State != shortener.Active || len(f.log.All()) != 1 {
		t.Errorf("view has %+v, the log %d events; want nothing changed", r, len(f.log.All()))
	}
}

func TestAViewThatIsDownFailsNothing(t *testing.T) {
	f := newFixture(t)
	f.view.Before = func(context.Context, shortener.Record) error { return errors.New("shard is down") }
	l := f.create(t, shortener.NewLink{})
	if _, err := f.Resolve(t.Context(), l.Ref); err != nil {
		t.Errorf("Resolve: %v", err)
	}
	f.Close()                                                            // waits for the repair
	if got := strings.Count(f.out.String(), "shard is down"); got != 1 { // a second
		t.Errorf("logged %d times, want once: %s", got, f.out)
	}
}

func TestAViewThatHangsCostsHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.view.Before = func(ctx context.Context, _ shortener.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		f.create(t, shortener.NewLink{})
		if got := time.Since(began); got != 500*time.Millisecond {
			t.Errorf("create took %v, want 500ms", got)
		}
	})
}

func TestACallerWhoHangsUpDoesNotLeaveTheViewBehind(t *testing.T) {
	f := newFixture(t)
	ctx, hangUp := context.WithCancel(t.Context())
	f.view.Before = func(context.Context, shortener.Record) error {
		hangUp()
		return nil
	}
	l, _, err := f.Create(ctx, "key_a", shortener.NewLink{URL: target}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.view.Get(l.Ref); !ok {
		t.Error("the view lacks the link")
	}
}

func TestAServiceWithoutAViewOrALogger(t *testing.T) {
	s := shortener.NewService(shortener.ServiceConfig{
		Log: &shortenertest.Log{}, Codes: &counter{}, Targets: shortener.NewTargets(nil),
	})
	l, _, err := s.Create(t.Context(), "key_a", shortener.NewLink{URL: target}, nil)
	if err != nil || time.Since(l.CreatedAt) > time.Minute {
		t.Errorf("created %+v, %v", l, err)
	}
}
