//go:build integration

package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// folder is where the binary and the fleets of all tests are. The user postgres must be able to pass.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "snowlink-fleet"); err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if status == 0 { // what a failed test leaves is looked at
		_ = os.RemoveAll(folder)
	}
	os.Exit(status)
}

// buildBinary builds the product once for all tests, with the race detector if they have it.
var buildBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(folder, "snowlink")
	args := []string{"build", "-o", binary}
	if raceFactor > 1 {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "..")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
})

// A fleet is one that deploy/fleet runs.
type fleet struct {
	t      *testing.T
	dir    string
	binary string
	key    string
	edges  []string // their addresses
	admins []string // addresses of the admin listeners of every process of ours
	crowd  *crowd
}

// eventStore is what the fleets keep their links in.
const eventStore = "postgres"

// raising is held while a fleet comes up: two at a time could choose the same ports.
var raising sync.Mutex

// newFleet brings a fleet up, without limits on what a client may do, and down with the test.
func newFleet(t *testing.T, options ...string) *fleet {
	t.Helper()
	raising.Lock()
	defer raising.Unlock()
	binary, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, dir: filepath.Join(folder, t.Name()), binary: binary}
	t.Cleanup(f.end)
	args := append([]string{"up", "--binary", binary, "--down-after", "1000", "--failover-timeout", "5000", "--event-store", eventStore}, options...)
	f.do(append(args, "--", "--limit-key=0", "--limit-unknown=0", "--log-level=warn")...)
	raw, err := os.ReadFile(filepath.Join(f.dir, "secret", "admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	f.key = strings.TrimSpace(string(raw))
	for _, part := range f.parts() {
		if part.admin == "-" {
			continue
		}
		f.admins = append(f.admins, part.admin)
		if strings.HasPrefix(part.name, "edge-") || part.name == "one" {
			f.edges = append(f.edges, part.address)
		}
	}
	return f
}

// run runs a subtest on the fleet. They run one after the other.
func (f *fleet) run(name string, test func(*testing.T)) {
	whole := f.t
	defer func() { f.t = whole }()
	whole.Run(name, func(t *testing.T) {
		f.t = t
		test(t)
	})
}

// do runs the fleet script, which must succeed, and returns what it printed.
func (f *fleet) do(args ...string) string {
	f.t.Helper()
	out, err := f.try(args...)
	if err != nil {
		f.t.Fatalf("fleet %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (f *fleet) try(args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command("../../../deploy/fleet/fleet", append([]string{"--dir", f.dir}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String() + errs.String(), err
}

// A part is a process of the fleet.
type part struct{ name, state, address, admin string }

func (f *fleet) parts() []part {
	f.t.Helper()
	var parts []part
	for _, row := range strings.Split(f.do("status"), "\n")[1:] {
		if cells := strings.Fields(row); len(cells) == 5 {
			parts = append(parts, part{cells[0], cells[1], cells[3], cells[4]})
		}
	}
	return parts
}

// end stops the fleet, and says what its processes said if the test failed.
func (f *fleet) end() {
	out, err := f.try("down")
	if err != nil {
		f.t.Errorf("fleet down: %v\n%s", err, out)
	}
	logs, _ := filepath.Glob(filepath.Join(f.dir, "log", "*.log"))
	for _, path := range logs {
		said, _ := os.ReadFile(path)
		if bytes.Contains(said, []byte("DATA RACE")) || bytes.Contains(said, []byte("panic:")) {
			f.t.Errorf("%s:\n%s", filepath.Base(path), last(said, 200))
		}
	}
	if f.t.Failed() {
		f.t.Logf("what the fleet left is in %s", f.dir)
	}
}

func last(said []byte, lines int) []byte {
	rows := bytes.Split(said, []byte("\n"))
	return bytes.Join(rows[max(0, len(rows)-lines):], []byte("\n"))
}

// seedBatch is how many links are made by one call: few enough for a machine that has much to do.
const seedBatch = 250

// seed makes as many links and gives the fleet a crowd that knows them.
func (f *fleet) seed(links int) {
	f.t.Helper()
	f.crowd = &crowd{book: newBook(links)}
	for _, address := range f.edges {
		f.crowd.edges = append(f.crowd.edges, f.linesTo(address))
	}
	began := time.Now()
	batches := make(chan int)
	var makers sync.WaitGroup
	for range 4 {
		makers.Go(func() {
			for from := range batches {
				if err := f.makeSeeds(from, min(from+seedBatch, links)); err != nil {
					f.t.Error(err)
				}
			}
		})
	}
	for from := 0; from < links; from += seedBatch {
		batches <- from
	}
	close(batches)
	makers.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
	f.t.Logf("%d links made in %v", links, time.Since(began).Round(time.Millisecond))
}

func (f *fleet) linesTo(address string) *lines {
	return &lines{address: address, key: f.key, dial: func() (net.Conn, error) { return net.DialTimeout("tcp", address, patience) }}
}

func (f *fleet) makeSeeds(from, to int) error {
	var links []map[string]string
	for i := from; i < to; i++ {
		links = append(links, map[string]string{"code": seedCode(i), "url": nthTarget(seedCode(i), 1)})
	}
	r, err := f.crowd.edges[0].ask(http.MethodPost, "/api/v1/links/batch", map[string]any{"links": links})
	if err != nil {
		return err
	}
	var answer struct{ Results []struct{ Status int } }
	if err := json.Unmarshal(r.body, &answer); err != nil || len(answer.Results) != to-from {
		return fmt.Errorf("make links %d to %d: %v, %s", from, to, err, r.said(nil))
	}
	for i, result := range answer.Results {
		if result.Status != http.StatusCreated {
			return fmt.Errorf("make link %d: got status %d, want 201", from+i, result.Status)
		}
	}
	return nil
}

// eventually asks until there is no error, and fails the test if that takes longer than limit.
func (f *fleet) eventually(what string, limit time.Duration, ask func() error) {
	f.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("not %s after %v: %v", what, limit, err)
		}
	}
}
