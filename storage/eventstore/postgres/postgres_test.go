package postgres_test

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest"
	"snowlink/storage/storetest/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestConformance(t *testing.T) {
	storetest.EventStore(t, storetest.EventLogs{
		Place: func(t testing.TB) string { return postgrestest.Shared(t).Schema(t) },
		Open: func(t testing.TB, place string, now func() time.Time) eventstore.Store {
			return openAt(t, place, postgres.Options{Now: now})
		},
		Tamper: func(t testing.TB, place string, ref shortener.Ref, target string) {
			quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
			postgrestest.Shared(t).Exec(t, place, `UPDATE links SET target = `+quote(target)+
				` WHERE domain = `+quote(ref.Domain)+` AND code = `+quote(ref.Code))
		},
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
