package postgrestest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"snowlink/storage/storetest/postgrestest"
)

func TestWhatWasCommittedOutlivesACrash(t *testing.T) {
	s := postgrestest.Start(t)
	at := s.Schema(t)
	s.Exec(t, at, `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	s.Crash()
	if conn, err := pgx.Connect(t.Context(), at); err == nil {
		conn.Close(t.Context())
		t.Error("connect to a crashed server: no error")
	}
	s.Resume(t)
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), `SELECT n FROM kept`).Scan(&n); err != nil || n != 7 {
		t.Errorf("the row: got %d, %v; want 7", n, err)
	}
}
