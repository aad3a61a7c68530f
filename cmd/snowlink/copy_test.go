package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"snowlink/storage/storetest/postgrestest"
)

// TestAnEventStoreMoves takes an installation from SQLite to PostgreSQL and back, while it is stopped.
func TestAnEventStoreMoves(t *testing.T) {
	s := newService(t)
	s.start()
	for i := range 30 {
		s.mustCreate(fmt.Sprintf("link%d", i), fmt.Sprintf("https://example.com/%d", i))
	}
	s.mustCreate("edited", "https://example.com/old")
	if status, err := s.call(http.MethodPatch, "/api/v1/links/edited", `{"url":"https://example.com/new"}`); status != http.StatusOK {
		t.Fatalf("edit: %d, %v", status, err)
	}
	first, second := "sqlite:"+s.dir, "sqlite:"+filepath.Join(t.TempDir(), "back")
	database := postgrestest.Start(t).Schema(t)
	// copied returns what the copy says: on stdout if it is to succeed, else on stderr.
	copied := func(want int, from, to string) string {
		t.Helper()
		out, errs, code := s.command("events", "copy", "--json", "--from="+from, "--to="+to)
		if code != want {
			t.Fatalf("copy from %s to %s: exit %d, want %d\n%s%s", from, to, code, want, out, errs)
		}
		if want == 0 {
			return out
		}
		return errs
	}
	if text := copied(1, first, database); !strings.Contains(text, "is held by process") {
		t.Errorf("a running service's store is refused with %q", text)
	}
	s.stop()

	type report struct {
		Events, Links int64
		Log           string `json:"log_sha256"`
		View          string `json:"links_sha256"`
	}
	var there, back report
	for _, one := range []struct {
		from, to string
		into     *report
	}{{first, database, &there}, {database, second, &back}} {
		if err := json.Unmarshal([]byte(copied(0, one.from, one.to)), one.into); err != nil {
			t.Fatal(err)
		}
	}
	if there != back || there.Events != 32 || there.Links != 31 {
		t.Errorf("copied %+v there and %+v back, want 32 events and 31 links both times", there, back)
	}
	copied(0, first, database) // again: there is nothing to do

	other := newService(t)
	other.start()
	other.mustCreate("x", "https://example.com/")
	other.stop()
	if text := copied(1, "sqlite:"+other.dir, second); !strings.Contains(text, "not empty") {
		t.Errorf("a store that holds something is refused with %q", text)
	}
	if text := copied(1, first, first+"/../"+filepath.Base(s.dir)); !strings.Contains(text, "the same event store") {
		t.Errorf("a copy to itself is refused with %q", text)
	}
	if text := copied(1, "postgre://user:hunter2@h/db", second); strings.Contains(text, "hunter2") {
		t.Errorf("a password is shown: %q", text)
	}
	for _, wrong := range [][2]string{{"mysql://x", second}, {"sqlite:", second}, {"sqlite:" + t.TempDir(), second}, {first, "postgres://127.0.0.1:1/x?connect_timeout=1"}} {
		copied(1, wrong[0], wrong[1])
	}

	moved := newService(t, "--data-dir="+strings.TrimPrefix(second, "sqlite:"))
	moved.start() // the keys have moved too
	moved.mustCreate("after", "https://example.com/after")
	if err := moved.follows(t, "edited", "https://example.com/new"); err != nil {
		t.Error(err)
	}
	moved.stop()
}
