package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRestartsBehindAnActivatedSocket restarts the single process three times under clients that keep their
// connections, while its public socket stays with whoever started it. No request may be lost.
func TestRestartsBehindAnActivatedSocket(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s := newService(t, "--limit-key=0", "--limit-unknown=0", "--drain-delay=500ms")
	s.public, s.socket = ln.Addr().String(), socket
	s.start()
	var v visitors
	first := &keptAlive{address: s.public}
	defer first.drop()
	code, err := first.create("https://example.com/first")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	for range 30 { // 300 redirects a second
		v.every(stop, 100*time.Millisecond, s.public, func(k *keptAlive) error { return k.redirect(code) })
	}
	var made atomic.Int64 // 5 creates a second
	v.every(stop, 200*time.Millisecond, s.public, func(k *keptAlive) error {
		_, err := k.create(fmt.Sprintf("https://example.com/%d", made.Add(1)))
		return err
	})
	for range 3 {
		time.Sleep(500 * time.Millisecond) // of load between two restarts
		s.stop()
		s.start()
	}
	close(stop)
	v.crew.Wait()
	if n := v.served.Load(); n < 300 {
		t.Errorf("requests served: got %d, want hundreds", n)
	}
	for _, err := range v.faults {
		t.Error(err)
	}
	t.Logf("%d requests served over three restarts, %d connections closed before a request", v.served.Load(), v.reconnects.Load())
}

// visitors are clients that each keep one connection.
type visitors struct {
	crew               sync.WaitGroup
	served, reconnects atomic.Int64
	mu                 sync.Mutex
	faults             []error // the first ten
}

// every has one client more do something again and again until stop is closed.
func (v *visitors) every(stop <-chan struct{}, pause time.Duration, address string, do func(*keptAlive) error) {
	v.crew.Go(func() {
		k := &keptAlive{address: address}
		defer k.drop()
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				v.reconnects.Add(k.ended)
				return
			case <-tick.C:
			}
			if err := do(k); err != nil {
				v.note(err)
			} else {
				v.served.Add(1)
			}
		}
	})
}

func (v *visitors) note(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) < 10 {
		v.faults = append(v.faults, err)
	}
}

// keptAlive is a client with one connection. It takes another only if the server has said that the old one ends,
// or has closed it before anything was sent: nothing is ever sent twice.
type keptAlive struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	ended   int64 // connections that the server closed while they were idle
}

func (k *keptAlive) drop() {
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
}

// do sends one request and reads its answer.
func (k *keptAlive) do(method, path, body string) (status int, header http.Header, said string, err error) {
	if k.conn != nil && k.hasEnded() {
		k.ended++
		k.drop()
	}
	if k.conn == nil {
		if k.conn, err = net.DialTimeout("tcp", k.address, 20*time.Second); err != nil {
			return 0, nil, "", fmt.Errorf("connect: %w", err)
		}
		k.reader = bufio.NewReader(k.conn)
	}
	_ = k.conn.SetDeadline(time.Now().Add(30 * time.Second))
	req, err := http.NewRequest(method, "http://"+k.address+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	if err = req.Write(k.conn); err != nil {
		k.drop()
		return 0, nil, "", fmt.Errorf("%s %s: send: %w", method, path, err)
	}
	resp, err := http.ReadResponse(k.reader, req)
	if err != nil {
		k.drop()
		return 0, nil, "", fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	raw, err := io.ReadAll(resp.Body)
	if resp.Close || err != nil {
		k.drop()
	}
	return resp.StatusCode, resp.Header, string(bytes.TrimSpace(raw)), err
}

// hasEnded looks whether the server has closed, without waiting.
func (k *keptAlive) hasEnded() bool {
	_ = k.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := k.reader.Peek(1)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func (k *keptAlive) redirect(code string) error {
	status, header, said, err := k.do(http.MethodGet, "/"+code, "")
	if err == nil && (status != http.StatusFound || header.Get("Location") == "") {
		err = fmt.Errorf("redirect: got %d %s, want 302", status, said)
	}
	return err
}

func (k *keptAlive) create(target string) (code string, err error) {
	status, header, said, err := k.do(http.MethodPost, "/api/v1/links", `{"url":"`+target+`"}`)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("create: got %d %s, want 201", status, said)
	}
	location := header.Get("Location")
	return location[strings.LastIndexByte(location, '/')+1:], err
}

// activate makes cmd take over socket as its public listener. The variables name the process that takes it, which
// has its number only once it runs: a shell sets them and becomes it.
func activate(cmd *exec.Cmd, socket *os.File) {
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=public")
	cmd.ExtraFiles = []*os.File{socket}
}
