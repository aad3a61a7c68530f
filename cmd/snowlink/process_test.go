package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const testKey = "slk_durability0123456789abcdefghij"

// binDir is where TestMain lets buildBinary put the product.
var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "snowlink")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binDir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// buildBinary builds the product once for all tests, with the race detector if they have it.
var buildBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(binDir, "snowlink")
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
})

// A service is a real process over one data folder and on the same ports each time it is started.
type service struct {
	t      testing.TB
	dir    string
	public string // host:port
	admin  string
	flags  []string
	socket *os.File // that the process takes over as its public listener; nil: it opens its own

	cmd    *exec.Cmd
	stderr *bytes.Buffer
	exited chan error
	lives  atomic.Int64 // how often it was started
}

// newService prepares a service; flags come after those it needs.
func newService(t testing.TB, flags ...string) *service {
	t.Helper()
	s := &service{t: t, dir: t.TempDir(), public: freeAddress(t), admin: freeAddress(t), flags: flags}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		// Below the ports that the system gives to those who connect: they could take one meanwhile.
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 2000+rand.IntN(8000)))
		if err != nil {
			continue
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// start returns once the service says that it is ready.
func (s *service) start() {
	s.t.Helper()
	s.launch()
	s.eventually("ready", 60*time.Second, s.ready)
	s.lives.Add(1)
}

// ready asks the service whether it is.
func (s *service) ready() error {
	resp, err := http.Get("http://" + s.admin + "/readyz?verbose")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, said)
	}
	return nil
}

// launch starts the process, and does not wait for it.
func (s *service) launch() {
	s.t.Helper()
	binary, err := buildBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.stderr, s.exited = new(bytes.Buffer), make(chan error, 1)
	s.cmd = exec.Command(binary, append([]string{
		"serve", "--data-dir=" + s.dir, "--listen=" + s.public, "--admin-listen=" + s.admin, "--admin-key=" + testKey,
	}, s.flags...)...)
	s.cmd.Stderr = s.stderr
	s.cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	if s.socket != nil {
		activate(s.cmd, s.socket)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start: %v", err)
	}
	go func(cmd *exec.Cmd) { s.exited <- cmd.Wait() }(s.cmd) // awaited by kill and stop
}

// kill ends the process as a crash would, and returns once it is gone.
func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.checkRaces()
	s.cmd = nil
}

// stop asks the process to end, which it must do in order.
func (s *service) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Fatalf("stop: got %v, want exit 0\n%s", err, s.stderr)
		}
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.exited
		s.t.Fatalf("stop: still there after 30 s\n%s", s.stderr)
	}
	s.checkRaces()
	s.cmd = nil
}

func (s *service) checkRaces() {
	if bytes.Contains(s.stderr.Bytes(), []byte("DATA RACE")) {
		s.t.Errorf("the race detector speaks:\n%s", s.stderr)
	}
}

// eventually asks until there is no error, and fails the test if that takes longer than limit or the
// process has gone.
func (s *service) eventually(what string, limit time.Duration, ask func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case gone := <-s.exited:
			s.exited <- gone
			s.t.Fatalf("the service ended while it was to be %s: %v\n%s", what, gone, s.stderr)
		case <-ctx.Done():
			s.t.Fatalf("not %s after %v: %v", what, limit, err)
		case <-tick.C:
		}
	}
}
