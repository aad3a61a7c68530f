package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"snowlink/shortener"
)

func openAt(t *testing.T, path string, o Options) *Store {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t *testing.T) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "events.db"), Options{})
}

func creation(n int, size int) shortener.Commit {
	ref := shortener.Ref{Code: fmt.Sprintf("c%d", n)}
	data, _ := json.Marshal(shortener.Content{ID: fmt.Sprint(n), Target: "https://example.com/", Note: strings.Repeat("x", size), RedirectStatus: 302})
	e := shortener.Event{ID: fmt.Sprintf("ev%d", n), Ref: ref, Version: 1, Type: shortener.LinkCreated, At: time.UnixMilli(int64(n)).UTC(), Data: data}
	after, _ := shortener.Link{}.Apply(e)
	return shortener.Commit{Ref: ref, Events: []shortener.Event{e}, After: after}
}

func appendLink(t *testing.T, s *Store, n, size int) error {
	t.Helper()
	_, _, err := s.Append(t.Context(), creation(n, size))
	return err
}

// onWriter runs f in the writer, where its connection and its seams may be touched.
func onWriter(t *testing.T, s *Store, f func(*writer) error) {
	t.Helper()
	if err := s.do(t.Context(), "test", f); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAcknowledgedIsSynced(t *testing.T) {
	s := newStore(t)
	onWriter(t, s, func(*writer) error {
		for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "secure_delete": "1", "cell_size_check": "1"} {
			var got string
			if err := s.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s of the writer: got %q, %v; want %q", pragma, got, err, want)
			}
		}
		return nil
	})
	if _, err := s.read.Exec(`DELETE FROM events`); err == nil {
		t.Error("a write on a connection for reads: no error")
	}
}

func TestAFullDisk(t *testing.T) {
	s := newStore(t)
	onWriter(t, s, func(*writer) error {
		_, err := s.conn.ExecContext(t.Context(), `PRAGMA max_page_count = 60`)
		return err
	})
	n, err := 0, error(nil)
	for ; err == nil && n < 100; n++ {
		err = appendLink(t, s, n, 4000)
	}
	if shortener.KindOf(err) != shortener.Unavailable {
		t.Fatalf("append to a full disk: got %v, want Unavailable", err)
	}
	if err := appendLink(t, s, 1000, 4000); shortener.KindOf(err) != shortener.Unavailable {
		t.Errorf("append to a disk still full: got %v, want Unavailable", err)
	}
	if _, err := s.Link(t.Context(), shortener.Ref{Code: "c0"}); err != nil {
		t.Errorf("read from a full disk: %v", err)
	}
	s.conn.ExecContext(t.Context(), `PRAGMA max_page_count = 100000`)
	if err := appendLink(t, s, 1001, 4000); err != nil {
		t.Errorf("append once there is room again: %v", err)
	}
	if report, err := s.Verify(t.Context(), nil); err != nil || !report.OK() || report.Events != int64(n) {
		t.Errorf("verify: got %+v, %v; want %d events without a fault", report, err, n)
	}
}

func TestACommitThatFailsFailsAll(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		after shortener.Kind // what an append gets next; Internal stands for success
	}{
		"the disk is full":     {sqlite3.Error{Code: sqlite3.ErrFull}, shortener.Internal},
		"a sync failed":        {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}, shortener.Unavailable},
		"the file is damaged":  {sqlite3.Error{Code: sqlite3.ErrCorrupt}, shortener.Unavailable},
		"a fault with no name": {errors.New("boom"), shortener.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			observed := 0
			s := openAt(t, filepath.Join(t.TempDir(), "events.db"), Options{Observe: func(_ int, _ time.Duration, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					observed++
				}
			}})
			if err := appendLink(t, s, 0, 1); err != nil {
				t.Fatal(err)
			}
			onWriter(t, s, func(w *writer) error {
				commit := w.commit
				w.commit = func() error { // this very one passes, the next fails
					w.commit = func() error { w.commit = commit; return tc.err }
					return commit()
				}
				return nil
			})
			if err := appendLink(t, s, 1, 1); shortener.KindOf(err) != shortener.Unavailable || !errors.Is(err, tc.err) {
				t.Errorf("append: got %v, want Unavailable", err)
			}
			if observed != 1 {
				t.Errorf("failed transactions observed: got %d, want 1", observed)
			}
			if head, _ := s.Head(t.Context()); head != 1 {
				t.Errorf("head: got %d, want 1", head)
			}
			err := appendLink(t, s, 2, 1)
			if tc.after == shortener.Internal && err != nil || tc.after != shortener.Internal && shortener.KindOf(err) != tc.after {
				t.Errorf("the next append: got %v, want kind %s", err, tc.after)
			}
			if _, err := s.Link(t.Context(), shortener.Ref{Code: "c0"}); err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	edit := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			s := openAt(t, path, Options{})
			s.Close()
			db, err := sql.Open("sqlite3", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		prepare func(*testing.T, string)
		want    string
	}{
		"a newer schema":          {edit(`PRAGMA user_version = 99`), "schema 99"},
		"another program's":       {edit(`PRAGMA application_id = 7`), "another program"},
		"not a database":          {func(t *testing.T, path string) { os.WriteFile(path, []byte(strings.Repeat("rubbish ", 100)), 0o600) }, "not a database"},
		"a folder":                {func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, fileName},
		"a folder that is absent": {func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) }, fileName},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in", "events.db")
			os.Mkdir(filepath.Dir(path), 0o700)
			tc.prepare(t, path)
			s, err := Open(path, Options{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("open: got %v, want an error with %q and the path", err, tc.want)
			}
		})
	}
}

// fileName is part of every path of the test.
const fileName = "events.db"

func TestVerifyFindsATagThatIsNotTheLinks(t *testing.T) {
	s := newStore(t)
	if err := appendLink(t, s, 1, 1); err != nil {
		t.Fatal(err)
	}
	onWriter(t, s, func(*writer) error {
		_, err := s.conn.ExecContext(t.Context(), `INSERT INTO link_tags VALUES ('x', 1)`)
		return err
	})
	report, err := s.Verify(t.Context(), nil)
	if err != nil || len(report.Faults) != 1 || !strings.Contains(report.Faults[0].String(), "index of tags") {
		t.Errorf("verify: got %v, %v; want the index of tags named", report.Faults, err)
	}
}

func TestExpiredIdempotencyKeysAreThrownAway(t *testing.T) {
	now := time.UnixMilli(1e12)
	s := openAt(t, filepath.Join(t.TempDir(), "events.db"), Options{Now: func() time.Time { return now }})
	c := creation(1, 1)
	c.Once = &shortener.Once{Owner: "me", Key: "k", Expires: now.Add(24 * time.Hour)}
	if _, _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		onWriter(t, s, func(*writer) error { return s.conn.QueryRowContext(t.Context(), `SELECT count(*) FROM once`).Scan(&n) })
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("keys before the expiry: got %d, want 1", n)
	}
	onWriter(t, s, func(*writer) error { now = now.Add(24 * time.Hour); return nil })
	if n := count(); n != 0 {
		t.Errorf("keys after the expiry: got %d, want 0", n)
	}
}

func TestDeletedSaltsAreNotInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.db")
	s := openAt(t, path, Options{})
	salt, err := s.Salt(t.Context(), "2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Salt(t.Context(), "2026-03-04"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), string(salt)) {
		t.Error("the file still holds a salt that was deleted")
	}
}

// A file of the first schema is brought up to date in its place and has lost nothing.
func TestAnOlderSchemaIsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	writeFirstSchema(t, path)
	for epoch := range uint64(2) { // and once more, when there is nothing to do
		s := openAt(t, path, Options{})
		if got, err := s.Meta(t.Context(), "secret", nil); string(got) != "kept" || err != nil {
			t.Errorf("the secret is %q, %v; want it kept", got, err)
		}
		if link, err := s.Link(t.Context(), shortener.Ref{Code: "c7"}); err != nil || link.Target != "https://example.com/" {
			t.Errorf("the link is %+v, %v; want it kept", link, err)
		}
		if err := s.PutMembership(t.Context(), epoch+1, []byte("{}")); err != nil {
			t.Errorf("keep membership %d: %v", epoch+1, err)
		}
		if report, err := s.Verify(t.Context(), nil); err != nil || !report.OK() || report.Events != 1 {
			t.Errorf("verify: got %+v, %v; want one event without a fault", report, err)
		}
		s.Close()
	}
}

// writeFirstSchema makes a file as the program of version 1 left it, with one link and one secret.
func writeFirstSchema(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := creation(7, 1)
	e, l := c.Events[0], c.After
	columns := linkColumns(l)
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{schemas[0], nil},
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = 1`, applicationID), nil},
		{statements.Get("insert-event"), []any{1, e.ID, e.Ref.Domain, e.Ref.Code, 1, string(e.Type), e.At.UnixMilli(), e.Actor, string(e.Data)}},
		{statements.Get("insert-link"), append(columns, 7)},
		{statements.Get("insert-meta"), []any{"secret", []byte("kept")}},
	} {
		if _, err := db.Exec(step.statement, step.args...); err != nil {
			t.Fatal(err)
		}
	}
	var memberships int
	if err := db.QueryRow(`SELECT count(*) FROM sqlite_master WHERE name = 'memberships'`).Scan(&memberships); err != nil || memberships != 0 {
		t.Fatalf("the first schema has %d tables of memberships, %v; want none", memberships, err)
	}
}
