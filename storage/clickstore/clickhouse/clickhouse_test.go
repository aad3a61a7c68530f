package clickhouse_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
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
		s := open(t, shared(t).NewDatabase(t))
		t.Cleanup(func() {
			if report, err := s.Verify(context.Background()); err != nil || !report.OK() {
				t.Errorf("Verify() = %+v, %v; want no findings", report, err)
			}
		})
		return s
	})
}

// batch returns a batch; those of a producer follow one another.
func batch(producer string, number, clicks uint64) shortener.IngestBatch {
	b := shortener.IngestBatch{Producer: producer, Number: number}
	for seq := (number-1)*clicks + 1; seq <= number*clicks; seq++ {
		b.Clicks = append(b.Clicks, shortener.StoredClick{
			Click: shortener.Click{
				At: time.UnixMilli(1_700_000_000_000 + int64(seq)*1000).UTC(), Ref: shortener.Ref{Code: fmt.Sprintf("c%d", seq%7)}, Visitor: seq % 5,
				Country: "GB", UserAgent: "Mozilla/5.0",
			},
			Producer: producer, Batch: number, Seq: seq, Browser: "Firefox",
		})
	}
	return b
}
