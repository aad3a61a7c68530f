package clickstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore"
	"snowlink/storage/storetest"
)

// childFile names the variable that makes the test binary a process that ingests until it is killed.
const childFile = "CLICKSTORE_CHILD_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		ingestForEver(path)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, path string) *clickstore.Store {
	t.Helper()
	s, err := clickstore.Open(path, clickstore.Options{MemoryLimit: "256MB"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *clickstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClickStore(t *testing.T) {
	storetest.TestClicks(t, func(t *testing.T) storetest.ClickStore {
		s := open(t, filepath.Join(t.TempDir(), "clicks.duckdb"))
		t.Cleanup(func() {
			if report, err := s.Verify(context.Background()); err != nil || !report.OK() {
				t.Errorf("Verify() = %+v, %v; want no findings", report, err)
			}
			closeStore(t, s)
		})
		return s
	})
}

// batch returns a batch of 100 clicks; those of a producer follow one another.
func batch(producer string, number uint64) shortener.IngestBatch {
	b := shortener.IngestBatch{Producer: producer, Number: number}
	for seq := (number-1)*100 + 1; seq <= number*100; seq++ {
		b.Clicks = append(b.Clicks, realisticClick(producer, number, seq))
	}
	return b
}

// realisticClick is a click of many links, visitors and user agents, determined by its sequence.
func realisticClick(producer string, number, seq uint64) shortener.StoredClick {
	r := rand.New(rand.NewPCG(seq, 0))
	zipf := rand.NewZipf(r, 1.1, 4, 20_000)
	agent, country := zipf.Uint64()%3_000, zipf.Uint64()%60
	c := shortener.StoredClick{
		Click: shortener.Click{
			At:      time.UnixMilli(1_700_000_000_000 + int64(seq)*40 + r.Int64N(2_000)).UTC(),
			Ref:     shortener.Ref{Code: fmt.Sprintf("%08x", zipf.Uint64()*2654435761%(1<<32))},
			Visitor: rand.NewPCG(r.Uint64N(1<<20), 1).Uint64(), Language: "en",
			Country: fmt.Sprintf("%c%c", 'A'+country/8, 'A'+country%8), City: fmt.Sprintf("City %d", zipf.Uint64()%2000),
			UserAgent: fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", agent),
		},
		Producer: producer, Batch: number, Seq: seq, Channel: "direct", Browser: "Chrome", OS: "Windows", Device: "desktop",
	}
	if r.IntN(3) > 0 {
		c.ReferrerHost, c.Channel = fmt.Sprintf("site%d.example", zipf.Uint64()%500), "referral"
		c.Referrer = c.ReferrerHost + fmt.Sprintf("/page/%d", zipf.Uint64())
	}
	if r.IntN(8) == 0 {
		c.Bot, c.Device = "search", "bot"
	}
	return c
}

func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	acknowledged := uint64(0)
	for round := range 6 {
		acknowledged = max(acknowledged, runChild(t, path, 2+round*5))
		s := open(t, path)
		report, err := s.Verify(t.Context())
		if err != nil || !report.OK() {
			t.Fatalf("round %d: Verify() = %+v, %v; want no findings", round, report, err)
		}
		if got, want := uint64(report.Batches), 2*acknowledged; got < want || got > want+2 {
			t.Fatalf("round %d: %d batches after %d acknowledged; want those, and at most the two of one more transaction", round, got, want)
		}
		closeStore(t, s)
	}
}

// runChild lets a process ingest, kills it after it has acknowledged some transactions, and returns
// the number of the last one.
func runChild(t *testing.T, path string, transactions int) (last uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatalf("child said %q", lines.Text())
		}
		if n == transactions {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()
	return last
}

// ingestForEver ingests, from the beginning, transactions of a batch each of two producers, and
// prints the number of each that is committed.
func ingestForEver(path string) {
	s, err := clickstore.Open(path, clickstore.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for number := uint64(1); ; number++ {
		if _, err := s.Ingest(context.Background(), []shortener.IngestBatch{batch("a", number), batch("b", number)}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(number)
	}
}

func TestAFileHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	bufio.NewScanner(out).Scan() // it has the file now
	_, err = clickstore.Open(path, clickstore.Options{})
	if shortener.KindOf(err) != shortener.Unavailable || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("pid %d", child.Process.Pid)) {
		t.Errorf("Open() = %v, want Unavailable, naming process %d", err, child.Process.Pid)
	}
}

func TestOpenRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.duckdb")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.duckdb")
	closeStore(t, open(t, newer))
	tamper(t, newer, `UPDATE format SET version = 99`)
	for name, path := range map[string]string{"garbage": garbage, "a newer format": newer, "a path of settings": dir + "/x?threads=1"} {
		s, err := clickstore.Open(path, clickstore.Options{})
		if err == nil {
			closeStore(t, s)
			t.Errorf("%s: Open() succeeded, want an error", name)
		}
	}
}

// tamper changes a closed store behind its back.
func tamper(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsWhatContradictsItself(t *testing.T) {
	for _, test := range []struct{ name, statement, want string }{
		{"nothing", `SELECT 1`, ""},
		{"a click lost inside of a batch", `DELETE FROM clicks WHERE producer = 0 AND seq = 150`, "batch 2 of a has 99 clicks for the sequence numbers 101 to 200"},
		{"a click lost at the end of a batch", `DELETE FROM clicks WHERE producer = 0 AND seq = 200`, "batch 3 of a begins with click 201, the one before it ends with 199"},
		{"a click twice", `INSERT INTO clicks SELECT * FROM clicks WHERE producer = 1 AND seq = 7`, "click b-7 is there 2 times"},
		{"a batch lost", `DELETE FROM clicks WHERE producer = 0 AND batch = 2`, "a is marked as stored from batch 1 to 3, of which 2 are there"},
		{"a mark lost", `DELETE FROM marks WHERE producer = 1`, "b has clicks of batch 3, which is in 0 runs of marks"},
		{"marks that overlap", `INSERT INTO marks VALUES (1, 2, 2)`, "b has clicks of batch 2, which is in 2 runs of marks"},
		{"a user agent lost", `DELETE FROM agents WHERE id = 0`, "have the user agent #0, which is unknown"},
		{"a producer lost", `DELETE FROM producers WHERE name = 'a'`, "300 clicks are of producer #0, which is unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clicks.duckdb")
			s := open(t, path)
			for number := range uint64(3) {
				if _, err := s.Ingest(t.Context(), []shortener.IngestBatch{batch("a", number+1), batch("b", number+1)}); err != nil {
					t.Fatal(err)
				}
			}
			closeStore(t, s)
			tamper(t, path, test.statement)
			s = open(t, path)
			defer closeStore(t, s)
			report, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" && !report.OK() || test.want != "" && !slices.ContainsFunc(report.Findings, func(f string) bool { return strings.Contains(f, test.want) }) {
				t.Errorf("findings %q, want one with %q", report.Findings, test.want)
			}
		})
	}
}

func TestABatchWhoseClicksWereLostIsMarkedAndFound(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "clicks.duckdb"))
	defer closeStore(t, s)
	for call, want := range []int{1, 0} {
		fresh, err := s.Ingest(t.Context(), []shortener.IngestBatch{{Producer: "a", Number: 1}})
		if err != nil || fresh != want {
			t.Errorf("call %d: Ingest() = %d, %v; want %d", call, fresh, err, want)
		}
	}
	if report, err := s.Verify(t.Context()); err != nil || report.OK() {
		t.Errorf("Verify() = %+v, %v; want a finding", report, err)
	}
}

func TestExportOfMoreThanAPage(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "clicks.duckdb"))
	defer closeStore(t, s)
	var batches []shortener.IngestBatch
	for number := range uint64(250) {
		for _, producer := range []string{"z", "b"} {
			b := batch(producer, number+1)
			for i := range b.Clicks { // most of them in one millisecond
				b.Clicks[i].At = time.UnixMilli(1_700_000_000_000 + int64(number/240)).UTC()
			}
			batches = append(batches, b)
		}
	}
	if _, err := s.Ingest(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	var last shortener.StoredClick
	n := 0
	err := s.Export(t.Context(), shortener.ClickQuery{}, func(c shortener.StoredClick) error {
		if before := fmt.Sprintf("%d %s %09d", last.At.UnixMilli(), last.Producer, last.Seq); n > 0 && before >= fmt.Sprintf("%d %s %09d", c.At.UnixMilli(), c.Producer, c.Seq) {
			return fmt.Errorf("%s comes after %s", c.ID(), last.ID())
		}
		last = c
		n++
		return nil
	})
	if err != nil || n != 50_000 {
		t.Errorf("Export() = %v with %d clicks, want 50000 in order", err, n)
	}
}

func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "clicks.duckdb"))
	defer closeStore(t, s)
	if _, err := s.Ingest(t.Context(), []shortener.IngestBatch{batch("a", 1)}); err != nil {
		t.Fatal(err)
	}
	// The reader holds its snapshot open while the writer commits, and the other way about.
	err := s.Export(t.Context(), shortener.ClickQuery{}, func(c shortener.StoredClick) error {
		if c.Seq != 50 {
			return nil
		}
		_, err := s.Ingest(t.Context(), []shortener.IngestBatch{batch("a", 2)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Summary(t.Context(), shortener.ClickQuery{}); err != nil || got.Clicks != 200 {
		t.Errorf("Summary() = %+v, %v; want 200 clicks", got, err)
	}
}

func BenchmarkIngest(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "clicks.duckdb"))
	defer closeStore(b, s)
	var batches []shortener.IngestBatch
	for number := range uint64(40) {
		batches = append(batches, batch("a", number+1))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range batches {
			batches[i].Number += uint64(len(batches))
		}
		if fresh, err := s.Ingest(b.Context(), batches); err != nil || fresh != len(batches) {
			b.Fatal(fresh, err)
		}
	}
	b.ReportMetric(float64(b.N*len(batches)*100)/b.Elapsed().Seconds(), "clicks/s")
}
