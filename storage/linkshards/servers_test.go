package linkshards_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/breaker"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
	"snowlink/storage/linkshards/embedded"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestMain(m *testing.M) {
	linkshards.LogClients(quiet)
	os.Exit(m.Run())
}

// server is a redis-server process.
type server struct {
	port int
	cmd  *exec.Cmd
}

// startRedis starts a real server on a free loopback port and ends it with the test.
func startRedis(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	s.start(t)
	t.Cleanup(func() { s.kill() })
	return s
}

func (s *server) start(t testing.TB, flags ...string) {
	t.Helper()
	s.cmd = exec.Command("redis-server", append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(),
	}, flags...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			return
		}
	}
	t.Fatal("redis-server ended before it was ready")
}

func (s *server) kill() {
	s.cmd.Process.Signal(syscall.SIGCONT)
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *server) shard(t testing.TB, name string) linkshards.Shard {
	t.Helper()
	members, err := linkshards.ParseMembers(name + "=redis://127.0.0.1:" + strconv.Itoa(s.port))
	if err != nil {
		t.Fatal(err)
	}
	shard := members[0].Dial()
	t.Cleanup(func() { shard.Client.Close() })
	return shard
}

// onBoth runs a test on one real server and on an embedded one.
func onBoth(t *testing.T, test func(t *testing.T, shards *linkshards.Shards, client *redis.Client)) {
	t.Run("redis-server", func(t *testing.T) {
		shard := startRedis(t).shard(t, "a")
		test(t, newShards(t, linkshards.Options{}, shard), shard.Client)
	})
	t.Run("embedded", func(t *testing.T) {
		shard := newEmbedded(t, 1)[0]
		test(t, newShards(t, linkshards.Options{}, shard), shard.Client)
	})
}

func newEmbedded(t testing.TB, n int) []linkshards.Shard {
	t.Helper()
	e, err := embedded.New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e.Shards()
}

func newShards(t testing.TB, o linkshards.Options, shards ...linkshards.Shard) *linkshards.Shards {
	t.Helper()
	o.Logger = quiet
	s, err := linkshards.New(1, shards, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// patient never opens.
var patient = breaker.Config{MinCalls: 1 << 30}

func record(code string, version int64) shortener.Record {
	return shortener.Record{
		Ref: shortener.Ref{Code: code}, Version: version, RedirectStatus: 302,
		Target: "https://example.com/" + code + "/" + strconv.FormatInt(version, 10),
	}
}

func wantRecord(t testing.TB, s *linkshards.Shards, want shortener.Record) {
	t.Helper()
	if got, err := s.Get(t.Context(), want.Ref); err != nil || got != want {
		t.Errorf("get %s: got %+v, %v; want %+v", want.Ref, got, err, want)
	}
}

func mustPut(t testing.TB, s *linkshards.Shards, r shortener.Record) {
	t.Helper()
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatalf("put %s version %d: %v", r.Ref, r.Version, err)
	}
}
