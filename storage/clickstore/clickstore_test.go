package clickstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"snowlink/storage/clickstore"
	"snowlink/storage/storetest"
)

func open(t testing.TB, path string) *clickstore.Store {
	t.Helper()
	s, err := clickstore.Open(path, clickstore.Options{MemoryLimit: "256MB"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClickStore(t *testing.T) {
	storetest.TestClicks(t, func(t *testing.T) storetest.ClickStore {
		s := open(t, filepath.Join(t.TempDir(), "clicks.duckdb"))
		t.Cleanup(func() {
			if report, err := s.Verify(context.Background()); err != nil || !report.OK() {
				t.Errorf("Verify() = %+v, %v; want no findings", report, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}
