package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/sqlite"
	"snowlink/storage/storetest"
)

func TestConformance(t *testing.T) {
	storetest.EventStore(t, storetest.EventLogs{
		Place: func(t testing.TB) string { return filepath.Join(t.TempDir(), "100% of # odd names.db") },
		Open: func(t testing.TB, place string, now func() time.Time) eventstore.Store {
			store, err := sqlite.Open(place, sqlite.Options{Now: now})
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			return store
		},
		Exec: func(t testing.TB, place, statement string) {
			if _, err := raw(t, place).Exec(statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		},
	})
}

// raw opens the file behind the store's back.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
