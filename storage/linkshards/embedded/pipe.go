package embedded

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// maxUnread is how much a connection holds for a reader who does not come, before it is cut off: what
// Redis calls client-output-buffer-limit.
const maxUnread = 64 << 20

// pipe returns the two ends of a connection in memory. A write never waits. With net.Pipe it would
// wait for its reader, and a client that is writing a long pipeline of commands would wait for a server
// that is waiting to write its answers.
func pipe() (client, server net.Conn) {
	up, down := newStream(), newStream()
	return &conn{in: down, out: up}, &conn{in: up, out: down}
}

// conn is one end. Like any connection it serves one reader and one writer at a time.
type conn struct{ in, out *stream }

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. What was written can still be read.
func (c *conn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *conn) LocalAddr() net.Addr                { return address{} }
func (c *conn) RemoteAddr() net.Addr               { return address{} }
func (c *conn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { return nil } // a write does not wait

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "embedded" }

// stream is one direction.
type stream struct {
	mu       sync.Mutex
	unread   []byte
	from     int // where the unread bytes begin
	closed   bool
	deadline time.Time

	changed chan struct{} // holds one token if the reader has something to look at
	timer   *time.Timer   // the reader's
}

func newStream() *stream { return &stream{changed: make(chan struct{}, 1)} }

func (s *stream) read(p []byte) (int, error) {
	for {
		n, deadline, err := s.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		s.await(deadline)
	}
}

// take returns what is there to read now, and until when to wait if there is nothing.
func (s *stream) take(p []byte) (n int, deadline time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.from < len(s.unread):
		n = copy(p, s.unread[s.from:])
		if s.from += n; s.from == len(s.unread) {
			s.rewind()
		}
	case s.closed:
		err = io.EOF
	case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
		err = os.ErrDeadlineExceeded
	}
	return n, s.deadline, err
}

// rewind makes the buffer usable from its start, and gives a big one back.
func (s *stream) rewind() {
	if s.unread, s.from = s.unread[:0], 0; cap(s.unread) > 64<<10 {
		s.unread = nil
	}
}

func (s *stream) await(deadline time.Time) {
	if deadline.IsZero() {
		<-s.changed
		return
	}
	if s.timer == nil {
		s.timer = time.NewTimer(time.Until(deadline))
	} else {
		s.timer.Reset(time.Until(deadline))
	}
	defer s.timer.Stop()
	select {
	case <-s.changed:
	case <-s.timer.C:
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unread)-s.from > maxUnread {
		s.closed = true
	}
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.unread = append(s.unread, p...)
	s.tell()
	return len(p), nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.tell()
}

func (s *stream) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.tell()
}

// tell wakes the reader. One token is enough: it looks at everything.
func (s *stream) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
