package postgres_test

import (
	"flag"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest"
	"snowlink/storage/storetest/postgrestest"
)

// TestMain has properties tried less often than is usual: each trial opens a store, and what they hold is
// tried with the other store too.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		flag.Set("rapid.checks", "25")
	}
	os.Exit(postgrestest.Run(m))
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestConformance(t *testing.T) {
	storetest.EventStore(t, storetest.EventLogs{
		Place: func(t testing.TB) string { return postgrestest.Shared(t).Schema(t) },
		Open: func(t testing.TB, place string, now func() time.Time) eventstore.Store {
			return openAt(t, place, postgres.Options{Now: now})
		},
		Shared: true,
		Exec:   func(t testing.TB, place, statement string) { postgrestest.Shared(t).Exec(t, place, statement) },
	})
}

// openAt opens a store that the test closes.
func openAt(t testing.TB, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	o.Logger = quiet
	store, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}
