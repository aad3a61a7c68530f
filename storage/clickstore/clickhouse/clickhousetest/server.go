// Package clickhousetest runs a real clickhouse-server for tests.
package clickhousetest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

//go:embed config.xml
var config string

// users are default, who has no password and may do everything, writer, whose password is "a secret"
// and who may as well, and reader, who has no password and may only read, with the settings as they are.
//
//go:embed users.xml
var users string

// patience bounds the wait for a server that starts, also on a loaded machine.
const patience = time.Minute

// Server is a clickhouse-server process on a free port of the loopback interface.
type Server struct {
	dir       string
	port      int
	cmd       *exec.Cmd
	ended     chan struct{} // closed when the process has been waited for
	databases atomic.Int64
}

// Start starts a server that lives as long as the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s, err := Launch(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Kill)
	return s
}

// Launch starts a server that keeps its files in dir. The caller kills it.
func Launch(dir string) (*Server, error) {
	s := &Server{dir: dir}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	fill := strings.NewReplacer("{dir}", dir, "{port}", strconv.Itoa(s.port))
	for name, text := range map[string]string{"config.xml": config, "users.xml": users} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill.Replace(text)), 0o600); err != nil {
			return nil, fmt.Errorf("configure clickhouse-server: %w", err)
		}
	}
	return s, s.Restart()
}

// Restart starts a server that was killed, on its files and its port, and waits until it answers.
func (s *Server) Restart() error {
	var said bytes.Buffer
	s.cmd = exec.Command("clickhouse-server", "--config-file="+filepath.Join(s.dir, "config.xml"))
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	s.cmd.Dir = s.dir
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start clickhouse-server: %w. On Debian: apt-get install --no-install-recommends clickhouse-server", err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := s.query("SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("clickhouse-server ended before it answered: %s\n%s", s.cmd.ProcessState, said.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.Kill()
	return errors.New("clickhouse-server did not answer in time")
}

// Kill kills the server, as kill -9 does. It may be started again.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// NewDatabase makes an empty database and returns its address for the user default.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("db%d", s.databases.Add(1))
	s.Exec(tb, "CREATE DATABASE "+name)
	return s.Address("default", name)
}

// Address returns the address of a database for a user, who has no password.
func (s *Server) Address(user, database string) string {
	return fmt.Sprintf("clickhouse://%s@127.0.0.1:%d/%s", user, s.port, database)
}

// Exec runs a statement behind the back of everyone and returns what the server answers.
func (s *Server) Exec(tb testing.TB, statement string) string {
	tb.Helper()
	answer, err := s.query(statement)
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	return answer
}

func (s *Server) query(statement string) (string, error) {
	address := fmt.Sprintf("http://127.0.0.1:%d/?allow_experimental_low_cardinality_type=1", s.port)
	resp, err := http.Post(address, "", strings.NewReader(statement)) //nolint:noctx // it answers at once or not at all
	if err != nil {
		var with *url.Error
		errors.As(err, &with)
		return "", with.Err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(answer))
	}
	return strings.TrimSpace(string(answer)), err
}
