package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"snowlink/infra/memnet"
)

func TestPipe(t *testing.T) {
	t.Run("what was written before the close can be read", func(t *testing.T) {
		a, b := memnet.Pipe(0)
		a.Write([]byte("hello"))
		a.Close()
		got, err := io.ReadAll(b)
		if string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v; want all of it, then the end", got, err)
		}
		if _, err := b.Write([]byte("x")); err == nil {
			t.Error("write to a closed peer: no error")
		}
	})
	t.Run("a deadline ends a read that waits", func(t *testing.T) {
		a, _ := memnet.Pipe(0)
		a.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := a.Read(make([]byte, 1))
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
	t.Run("a deadline set later ends it too, and one taken away lets it go on", func(t *testing.T) {
		a, b := memnet.Pipe(0)
		read := func() chan error {
			done := make(chan error, 1)
			go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
			return done
		}
		waiting := read()
		a.SetReadDeadline(time.Now())
		if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
		a.SetReadDeadline(time.Time{})
		waiting = read()
		b.Write([]byte("x"))
		if err := <-waiting; err != nil {
			t.Errorf("got %v, want a byte", err)
		}
	})
	t.Run("a reader who never comes is cut off", func(t *testing.T) {
		a, _ := memnet.Pipe(0)
		chunk := make([]byte, 8<<20)
		for range 20 {
			if _, err := a.Write(chunk); err != nil {
				return
			}
		}
		t.Error("160 MB were kept for a reader who does not read")
	})
}

func TestAWriterWaitsForRoomInTheWindow(t *testing.T) {
	a, b := memnet.Pipe(4)
	written := make(chan error, 1)
	go func() {
		n, err := a.Write([]byte("0123456789"))
		if err == nil && n != 10 {
			err = io.ErrShortWrite
		}
		written <- err
	}()
	got := make([]byte, 10)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "0123456789" {
		t.Errorf("read %q, %v; want all that was written", got, err)
	}
	if err := <-written; err != nil {
		t.Errorf("write: %v", err)
	}
	a.SetWriteDeadline(time.Now().Add(time.Millisecond))
	if n, err := a.Write([]byte("0123456789")); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write without a reader: got %d, %v; want 4 bytes and a timeout", n, err)
	}
	a.SetWriteDeadline(time.Time{})
	go b.Close()
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("write to a peer that closes: no error")
	}
}

// A server cancels a request's context when a read that it keeps going on the side ends with an error:
// each request of a connection must be spared that.
func TestServerKeepsRequestsOfOneConnectionAlive(t *testing.T) {
	ln := memnet.Listen(1 << 10)
	server := &http.Server{ReadHeaderTimeout: time.Second, IdleTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			http.Error(w, "cancelled", http.StatusInternalServerError)
		case <-time.After(5 * time.Millisecond):
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}}
	for i := range 5 {
		sent := strings.Repeat("x", i*10_000) // more than the window, both ways
		resp, err := client.Post("http://memory/", "text/plain", strings.NewReader(sent))
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(got) != sent || err != nil {
			t.Errorf("request %d: got %s with %d bytes, %v; want the %d sent", i, resp.Status, len(got), err, len(sent))
		}
	}
	client.CloseIdleConnections()
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serve: %v", err)
	}
	if _, err := ln.Dial(); err == nil {
		t.Error("dial of a closed listener: no error")
	}
}
