package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

const getLivez = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"

// kept is a connection over TCP that has had one answer.
func kept(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	reader := bufio.NewReader(conn)
	if resp := again(t, conn, reader); resp.Close {
		t.Fatal("before the drain: got Connection: close, want the connection kept")
	}
	return conn, reader
}

// again asks once more.
func again(t *testing.T, conn net.Conn, reader *bufio.Reader) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, getLivez); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp
}

func TestDrain(t *testing.T) {
	w := start(t, func(c *Config) { c.Limits.DrainDelay = time.Second })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.Serve(ln) }()
	address := ln.Addr().String()
	active, activeReader := kept(t, address)
	idle, idleReader := kept(t, address)
	silent, err := net.Dial("tcp", address) // has never sent anything
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_ = silent.SetDeadline(time.Now().Add(20 * time.Second))

	down := make(chan error, 1)
	go func() { down <- w.Shutdown(context.Background()) }()
	for !w.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if resp := again(t, active, activeReader); resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("a request while the edge drains: got %d, close %v, want 200 and close", resp.StatusCode, resp.Close)
	}
	late, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("connect while the edge drains: %v", err)
	}
	defer late.Close()
	if resp := again(t, late, bufio.NewReader(late)); resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("a new connection while the edge drains: got %d, close %v, want 200 and close", resp.StatusCode, resp.Close)
	}

	if _, err := idleReader.Peek(1); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection: got %v, want the end of the stream", err)
	}
	_, _ = io.WriteString(idle, getLivez) // crosses the end
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a silent connection: got %v, want the end of the stream", err)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestPartedConnectionBeginsNoRequest has a request cross the end of its connection.
func TestPartedConnectionBeginsNoRequest(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	var all open
	c := &lingerConn{Conn: server, open: &all}
	all.add(c)
	if !all.part() {
		t.Fatal("part: got no idle connection, want one")
	}
	go func() {
		_, _ = io.WriteString(client, getLivez)
		_ = client.Close()
	}()
	if n, err := c.Read(make([]byte, 100)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("Read: got %d bytes and %v, want none and EOF", n, err)
	}
}
