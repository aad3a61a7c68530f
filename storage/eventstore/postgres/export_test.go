package postgres

import "testing"

// Setting returns a setting of a session of the store.
func (s *Store) Setting(t testing.TB, name string) (value string) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Count returns how many rows a table has.
func (s *Store) Count(t testing.TB, table string) (n int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
