package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/eventstore/sqlite"
	"snowlink/storage/storetest/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// store is what both engines' stores are.
type store interface {
	eventstore.Store
	eventstore.Portable
}

// engines make places and open stores there.
var engines = map[string]struct {
	place func(testing.TB) string
	open  func(t testing.TB, place string, unfinished bool) (store, error)
}{
	"sqlite": {
		func(t testing.TB) string { return filepath.Join(t.TempDir(), "links.db") },
		func(_ testing.TB, place string, unfinished bool) (store, error) {
			return sqlite.Open(place, sqlite.Options{Logger: quiet, Unfinished: unfinished})
		},
	},
	"postgres": {
		func(t testing.TB) string { return postgrestest.Shared(t).Schema(t) },
		func(t testing.TB, place string, unfinished bool) (store, error) {
			return postgres.Open(t.Context(), place, postgres.Options{Logger: quiet, Unfinished: unfinished})
		},
	},
}

// mustOpen opens a store that is closed with the test.
func mustOpen(t testing.TB, engine, place string) store {
	t.Helper()
	s, err := engines[engine].open(t, place, true)
	if err != nil {
		t.Fatalf("open %s: %v", engine, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fresh(t testing.TB, engine string) store {
	t.Helper()
	return mustOpen(t, engine, engines[engine].place(t))
}

// onEachPair runs a test on copies in all directions.
func onEachPair(t *testing.T, test func(t *testing.T, from, to string)) {
	for from := range engines {
		for to := range engines {
			t.Run(from+" to "+to, func(t *testing.T) { test(t, from, to) })
		}
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// commit returns the commit of one event that follows on a link.
func commit(before shortener.Link, kind shortener.EventType, c *shortener.Content) shortener.Commit {
	e := shortener.Event{
		ID: fmt.Sprintf("%s@%d", before.Code, before.Version+1), Ref: before.Ref, Version: before.Version + 1, Type: kind,
		At: start.Add(time.Duration(before.Version) * time.Hour), Actor: "key_1",
	}
	if c != nil {
		e.Data, _ = json.Marshal(c)
	}
	after, err := before.Apply(e)
	if err != nil {
		panic(err)
	}
	return shortener.Commit{Ref: before.Ref, Expected: before.Version, Events: []shortener.Event{e}, After: after}
}

// fill makes links and changes some, from the n-th on.
func fill(t testing.TB, s eventstore.Store, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		link := shortener.Link{Ref: shortener.Ref{Domain: []string{"", "go.example"}[i%2], Code: fmt.Sprintf("code%d", i)}}
		content := &shortener.Content{
			ID: fmt.Sprint(1000 + i), Target: "https://example.com/ä?q=%20", Title: `"quoted" \ title`, Tags: []string{"a,b", `c"d\`, "{}", "NULL"}[:i%5],
			RedirectStatus: 302, ExpiresAt: &start,
		}
		commits := []shortener.EventType{shortener.LinkCreated, shortener.LinkDisabled, shortener.LinkDeleted}[:1+i%3]
		for _, kind := range commits {
			c := commit(link, kind, content)
			if kind != shortener.LinkCreated {
				c = commit(link, kind, nil)
			} else {
				c.Once = &shortener.Once{Owner: "key_1", Key: fmt.Sprintf("key \xff %d", i), Fingerprint: [32]byte{byte(i)}, Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond)}
			}
			var err error
			if link, _, err = s.Append(t.Context(), c); err != nil {
				t.Fatalf("append: %v", err)
			}
		}
	}
}

// furnish gives a store what it holds beside the log.
func furnish(t testing.TB, s eventstore.Store) {
	t.Helper()
	secret := func() []byte { return []byte{0, 1, 0xff} }
	_, errMeta := s.Meta(t.Context(), "code-permutation", secret)
	_, errSalt := s.Salt(t.Context(), "2026-03-01")
	err := errors.Join(errMeta, errSalt, s.SetCheckpoint(t.Context(), "link shards", 3), s.PutMembership(t.Context(), 1, []byte("{}")),
		s.PutMembership(t.Context(), 2, []byte(`{"epoch":2}`)),
		s.CreateKey(t.Context(), shortener.APIKey{ID: "key_1", Role: shortener.RoleOwner, Hash: [32]byte{7}, CreatedAt: start}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestCopy(t *testing.T) {
	onEachPair(t, func(t *testing.T, from, to string) {
		source, place := fresh(t, from), engines[to].place(t)
		fill(t, source, 0, 50)
		furnish(t, source)
		target := mustOpen(t, to, place)
		var last, total int64
		copied, err := eventstore.Copy(t.Context(), source, target, func(done, of int64) { last, total = done, of })
		head, _ := source.Head(t.Context())
		if err != nil || copied.Events != head || copied.Imported != head || copied.Links != 50 || len(copied.Log) != 64 || len(copied.View) != 64 {
			t.Fatalf("copy: got %+v, %v; want %d events and 50 links", copied, err, head)
		}
		if last != total || total != 2*head {
			t.Errorf("progress ended at %d of %d, want %d of %d", last, total, 2*head, 2*head)
		}
		wantEqual(t, source, target)
		target.Close()
		served, err := engines[to].open(t, place, false)
		if err != nil {
			t.Fatalf("open the finished copy: %v", err)
		}
		defer served.Close()
		fill(t, served, 50, 1) // it goes on where the other ended
		if report, err := served.Verify(t.Context(), nil); err != nil || !report.OK() || report.Links != 51 {
			t.Errorf("verify the copy: got %+v, %v; want 51 links without a fault", report, err)
		}
	})
}

// wantEqual looks at two stores with other eyes than Copy's.
func wantEqual(t *testing.T, a, b store) {
	t.Helper()
	all := func(s store) []any {
		events, err1 := s.Read(t.Context(), 0, 10000)
		links, err2 := s.LinksAfter(t.Context(), 0, 10000)
		held, err3 := s.Holdings(t.Context())
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		return []any{events, links, held.Meta, held.Salts, held.Keys, held.Checkpoints, held.Memberships, len(held.Used)}
	}
	for i, want := range all(a) {
		if got := all(b)[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("part %d of the copy:\ngot  %+v\nwant %+v", i, got, want)
		}
	}
	c := commit(shortener.Link{Ref: shortener.Ref{Code: "another"}}, shortener.LinkCreated, &shortener.Content{ID: "1", Target: "https://example.com/", RedirectStatus: 302})
	c.Once = &shortener.Once{Owner: "key_1", Key: "key \xff 0", Fingerprint: [32]byte{0}, Expires: time.Now().Add(time.Hour)}
	if link, replayed, err := b.Append(t.Context(), c); err != nil || !replayed || link.Code != "code0" {
		t.Errorf("an idempotency key used before the copy: got %s, replayed %v, %v; want code0, replayed", link.Code, replayed, err)
	}
}

// stopping ends a copy after its first events.
type stopping struct{ store }

var errStopped = errors.New("stopped")

func (s stopping) Import(ctx context.Context, events []shortener.Event) error {
	return errors.Join(s.store.Import(ctx, events[:17]), errStopped)
}

func TestACopyThatWasInterruptedGoesOn(t *testing.T) {
	onEachPair(t, func(t *testing.T, from, to string) {
		source, place := fresh(t, from), engines[to].place(t)
		fill(t, source, 0, 50)
		furnish(t, source)
		target := mustOpen(t, to, place)
		if _, err := eventstore.Copy(t.Context(), source, stopping{target}, nil); !errors.Is(err, errStopped) {
			t.Fatalf("the first copy: got %v, want it stopped", err)
		}
		target.Close()
		if s, err := engines[to].open(t, place, false); !errors.Is(err, eventstore.ErrUnfinishedCopy) {
			if err == nil {
				s.Close()
			}
			t.Errorf("open the unfinished copy: got %v, want it refused", err)
		}
		other := fresh(t, from)
		fill(t, other, 0, 50)
		if _, err := other.Meta(t.Context(), "code-permutation", func() []byte { return []byte("other") }); err != nil {
			t.Fatal(err)
		}
		target = mustOpen(t, to, place)
		if _, err := eventstore.Copy(t.Context(), other, target, nil); !errors.Is(err, eventstore.ErrOccupied) {
			t.Errorf("copy another store onto it: got %v, want it refused", err)
		}
		copied, err := eventstore.Copy(t.Context(), source, target, nil)
		if err != nil || copied.Imported != copied.Events-17 {
			t.Fatalf("the copy run again: got %+v, %v; want all but 17 imported", copied, err)
		}
		wantEqual(t, source, target)
		fill(t, source, 50, 5)
		if copied, err = eventstore.Copy(t.Context(), source, target, nil); err != nil || copied.Imported == 0 || copied.Imported > 15 {
			t.Errorf("the copy brought up to date: got %+v, %v; want what is new imported", copied, err)
		}
	})
}

func TestTargetsThatAreRefused(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, target store){
		"other events": func(t *testing.T, target store) { fill(t, target, 90, 1) },
		"other secrets": func(t *testing.T, target store) {
			target.Meta(t.Context(), "code-permutation", func() []byte { return []byte("other") })
		},
		"a key of its own": func(t *testing.T, target store) {
			target.CreateKey(t.Context(), shortener.APIKey{ID: "key_9", Hash: [32]byte{9}})
		},
		"more events": func(t *testing.T, target store) { fill(t, target, 0, 50); furnish(t, target) },
	} {
		t.Run(name, func(t *testing.T) {
			source, target := fresh(t, "sqlite"), fresh(t, "sqlite")
			fill(t, source, 0, 10)
			furnish(t, source)
			prepare(t, target)
			before, _ := target.Holdings(t.Context())
			if _, err := eventstore.Copy(t.Context(), source, target, nil); !errors.Is(err, eventstore.ErrOccupied) {
				t.Errorf("copy: got %v, want the target refused", err)
			}
			if after, _ := target.Holdings(t.Context()); !reflect.DeepEqual(before, after) {
				t.Errorf("what the refused target holds: got %+v, want %+v", after, before)
			}
		})
	}
	t.Run("itself", func(t *testing.T) {
		place := engines["postgres"].place(t)
		source, target := mustOpen(t, "postgres", place), mustOpen(t, "postgres", place)
		fill(t, source, 0, 10)
		furnish(t, source)
		if _, err := eventstore.Copy(t.Context(), source, target, nil); err == nil || !strings.Contains(err.Error(), "the same store") {
			t.Errorf("copy: got %v, want it refused", err)
		}
		if s, err := engines["postgres"].open(t, place, false); err != nil {
			t.Errorf("open it afterwards: %v", err)
		} else {
			s.Close()
		}
	})
}

// growing has its log appended to while it is copied.
type growing struct{ store }

func (s growing) Read(ctx context.Context, after int64, limit int) ([]shortener.Event, error) {
	events, err := s.store.Read(ctx, after, limit)
	if head, _ := s.store.Head(ctx); err == nil && head < 1000 {
		c := commit(shortener.Link{Ref: shortener.Ref{Code: fmt.Sprintf("late%d", head)}}, shortener.LinkCreated, &shortener.Content{ID: fmt.Sprint(5000 + head), Target: "https://example.com/", RedirectStatus: 302})
		_, _, err = s.store.Append(ctx, c)
	}
	return events, err
}

// lying has one event otherwise than it is.
type lying struct{ store }

func (s lying) Import(ctx context.Context, events []shortener.Event) error {
	events[3].Actor = "somebody else"
	return s.store.Import(ctx, events)
}

func TestACopyThatIsNotEqualIsNotFinished(t *testing.T) {
	for name, tc := range map[string]struct {
		copy func(ctx context.Context, from, to store) error
		want string
	}{
		"the source grows": {func(ctx context.Context, from, to store) error {
			_, err := eventstore.Copy(ctx, growing{from}, to, nil)
			return err
		}, "has grown"},
		"an event was changed on its way": {func(ctx context.Context, from, to store) error {
			_, err := eventstore.Copy(ctx, from, lying{to}, nil)
			return err
		}, "differs at position 4"},
	} {
		t.Run(name, func(t *testing.T) {
			source, place := fresh(t, "sqlite"), engines["sqlite"].place(t)
			fill(t, source, 0, 10)
			target := mustOpen(t, "sqlite", place)
			if err := tc.copy(t.Context(), source, target); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("copy: got %v, want an error with %q", err, tc.want)
			}
			target.Close()
			if s, err := engines["sqlite"].open(t, place, false); !errors.Is(err, eventstore.ErrUnfinishedCopy) {
				if err == nil {
					s.Close()
				}
				t.Errorf("open the target: got %v, want it refused", err)
			}
		})
	}
}
