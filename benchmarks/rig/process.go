// Package rig starts what is measured, on cores of its choice, and reads what it cost. It measures
// from outside: what the kernel charged a process, and what a client saw.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is what the kernel counts CPU time in, on every Linux that people run.
const tick = 10 * time.Millisecond

// Process is a program under measurement. Stop it.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once it has ended
	ending error         // how, once it has
	log    string
}

// Start runs a program on one core; core < 0 leaves the choice to the kernel. What it says goes to a
// file in dir.
func Start(dir string, core int, args ...string) (*Process, error) {
	return startAs(dir, nil, core, args...)
}

func startAs(dir string, as *syscall.SysProcAttr, core int, args ...string) (*Process, error) {
	log := filepath.Join(dir, filepath.Base(args[0])+".log")
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	if core >= 0 {
		cmd = exec.Command("taskset", append([]string{"-c", strconv.Itoa(core)}, args...)...)
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, as
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, exited: make(chan struct{}), log: log}
	go func() { // awaited by Stop
		p.ending = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Await returns once a GET of url is answered with status.
func (p *Process) Await(ctx context.Context, url string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == status {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-p.exited:
			said, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, p.ending, said)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", url, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// AwaitPort returns once somebody listens on the address.
func (p *Process) AwaitPort(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			said, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, p.ending, said)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the process in order.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
}

// CPU returns the time that all threads of the process and of its children were charged.
func (p *Process) CPU() (time.Duration, error) {
	total, err := cpuOf(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		fields, err := statFields(path)
		if err != nil || fields[1] != strconv.Itoa(p.cmd.Process.Pid) {
			continue // not a child, or gone
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		spent, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		total += spent
	}
	return total, nil
}

func cpuOf(pid int) (time.Duration, error) {
	fields, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var ticks time.Duration
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		ticks += time.Duration(n)
	}
	return ticks * tick, nil
}

// statFields returns the fields of a stat file behind the name, which may hold spaces: the state first.
func statFields(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return nil, fmt.Errorf("%s is not as it should be: %q", path, raw)
	}
	return fields, nil
}

// FreeAddress returns a loopback address that nobody listens on.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
