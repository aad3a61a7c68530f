// Package postgrestest starts real PostgreSQL servers for tests, on free loopback ports and in folders
// that go away with them. A server that is missing fails the test with what to install.
package postgrestest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take to start, on a machine that is busy.
const patience = time.Minute

// Server is a PostgreSQL server. Its superuser is "snowlink", which is let in without a password.
type Server struct {
	bin, dir, port string
	as             *syscall.SysProcAttr
	cmd            *exec.Cmd
	ended          chan struct{} // closed when cmd has
	schemas        atomic.Int64
}

// Start starts a server that ends with the test. What it acknowledged outlives any end of its process,
// but not of the machine: it does not wait for the disk unless settings, each "name=value", say so.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server of a test binary whose TestMain calls Run.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start(nil) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Run runs the tests of a binary and ends the shared server, if there was one.
func Run(m *testing.M) (status int) {
	defer func() {
		if shared.server != nil {
			shared.server.remove()
		}
	}()
	return m.Run()
}

func start(settings []string) (*Server, error) {
	bin, err := findPrograms()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.dir, s.as, err = makeFolder(); err != nil {
		return nil, err
	}
	if err := s.initialize(settings); err != nil {
		s.remove()
		return nil, err
	}
	if err := s.run(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// initialize makes the cluster of databases.
func (s *Server) initialize(settings []string) error {
	initdb := s.command("initdb", "-D", s.data(), "-U", "snowlink", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.port = port
	lines := append([]string{
		"listen_addresses = '127.0.0.1'", "port = " + port, "unix_socket_directories = ''", "fsync = off",
		"full_page_writes = off", "shared_buffers = 64MB", "max_connections = 200",
	}, settings...)
	conf, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer conf.Close()
	_, err = conf.WriteString(strings.Join(lines, "\n") + "\n")
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// command returns one of the server's programs, to be run in its folder and as its user.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, s.as
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// URL returns the address of the database "postgres".
func (s *Server) URL() string {
	return "postgres://snowlink@127.0.0.1:" + s.port + "/postgres?sslmode=disable"
}

// Schema returns the address of a new and empty schema, which is as good as a database and made sooner.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), s.schemas.Add(1))
	s.Exec(t, s.URL(), "CREATE SCHEMA "+name)
	return s.URL() + "&search_path=" + url.QueryEscape(name)
}

// Exec runs statements at one of the server's addresses.
func (s *Server) Exec(t testing.TB, at, statements string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(context.Background(), statements).ReadAll(); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}
