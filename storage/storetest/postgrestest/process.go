package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// findPrograms returns where the server's programs are. Debian does not put them on the PATH.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed (initdb is not found): apt-get install postgresql")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// makeFolder makes a folder for a server, and says as whom to run it there: PostgreSQL refuses root.
func makeFolder() (string, *syscall.SysProcAttr, error) {
	dir, err := os.MkdirTemp("", "snowlink-postgres-")
	if err != nil {
		return "", nil, err
	}
	as := dieWithParent()
	if os.Getuid() != 0 {
		return dir, as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return "", nil, fmt.Errorf("as whom to run PostgreSQL, which refuses root: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers, on any system that has root
	gid, _ := strconv.Atoi(u.Gid)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return dir, as, os.Chown(dir, uid, gid)
}

// run starts the server and waits until it lets somebody in.
func (s *Server) run() error {
	deadline := time.Now().Add(patience)
	for {
		err := s.try(deadline)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // somebody else may have the port for a moment
	}
}

// try starts the server once.
func (s *Server) try(deadline time.Time) error {
	logs, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	s.cmd, s.ended = s.command("postgres", "-D", s.data()), make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = logs, logs
	if err := s.cmd.Start(); err != nil {
		close(s.ended)
		return err
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	for !s.ready() {
		select {
		case <-s.ended:
			text, _ := os.ReadFile(logs.Name())
			return fmt.Errorf("postgres ended before it was ready:\n%s", text)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.end(syscall.SIGQUIT)
			return errors.New("postgres is not ready in time")
		}
	}
	return nil
}

// ready reports whether the server lets somebody in.
func (s *Server) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return false
	}
	_ = conn.Close(ctx)
	return true
}

// Crash ends the server at once, as pg_ctl stop -m immediate does: transactions under way are lost.
func (s *Server) Crash() { s.end(syscall.SIGQUIT) }

// Stop ends the server in good order, but without waiting for those who are connected.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Resume starts the server again that was ended.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Demote turns the server, which must have been ended in good order, into a replica when it is resumed.
func (s *Server) Demote(t testing.TB) {
	t.Helper()
	signal := filepath.Join(s.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := s.as.Credential; c != nil {
		if err := os.Chown(signal, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// RequirePasswords lets a role in with its password only.
func (s *Server) RequirePasswords(t testing.TB, role string) {
	t.Helper()
	rules := "host all " + role + " 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
	// The file is there and keeps its owner.
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, s.URL(), `SELECT pg_reload_conf()`)
}

// Promote turns a replica into a primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.Exec(t, s.URL(), `SELECT pg_promote()`)
}

func (s *Server) end(how syscall.Signal) {
	_ = s.cmd.Process.Signal(how) // it may have ended
	<-s.ended
}

// remove ends the server and takes its folder away.
func (s *Server) remove() {
	if s.cmd != nil {
		s.end(syscall.SIGQUIT)
	}
	_ = os.RemoveAll(s.dir) // a leftover is no fault of a test
}
