package clickhouse_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"snowlink/storage/clickstore/clickhouse"
	"snowlink/storage/clickstore/clickhouse/clickhousetest"
	"snowlink/storage/storetest"
)

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "clickhouse"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if launched {
		server, _ := launch()
		server.Kill()
	}
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// The server that most tests share, each in a database of its own.
var (
	folder   string
	launched bool
	launch   = sync.OnceValues(func() (*clickhousetest.Server, error) {
		server, err := clickhousetest.Launch(folder)
		launched = err == nil
		return server, err
	})
)

func shared(t testing.TB) *clickhousetest.Server {
	t.Helper()
	server, err := launch()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func open(t testing.TB, address string) *clickhouse.Store {
	t.Helper()
	s, err := clickhouse.Open(t.Context(), address, clickhouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestClickStore(t *testing.T) {
	storetest.TestClicks(t, func(t *testing.T) storetest.ClickStore {
		return open(t, shared(t).NewDatabase(t))
	})
}
