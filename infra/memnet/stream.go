package memnet

import (
	"io"
	"os"
	"sync"
	"time"
)

// maxUnread is how much a connection without a window holds for a reader who does not come, before it
// is cut off.
const maxUnread = 64 << 20

// stream is one direction.
type stream struct {
	mu       sync.Mutex
	unread   []byte
	from     int // where the unread bytes begin
	closed   bool
	deadline time.Time

	window        int       // unread bytes at which a writer waits; 0: it never does
	writeDeadline time.Time // for writers that wait

	changed chan struct{} // holds one token if the reader has something to look at
	room    chan struct{} // holds one token if the writer has
	timer   *time.Timer   // the reader's
}

func newStream(window int) *stream {
	return &stream{window: window, changed: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

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
		tell(s.room)
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

func (s *stream) write(p []byte) (written int, err error) {
	for {
		n, deadline, err := s.put(p)
		written, p = written+n, p[n:]
		if err != nil || len(p) == 0 {
			return written, err
		}
		wait(s.room, deadline)
	}
}

// put takes as much of p as there is room for, and says until when to wait for more.
func (s *stream) put(p []byte) (n int, deadline time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unread := len(s.unread) - s.from
	n = len(p)
	if s.window > 0 {
		n = max(0, min(n, s.window-unread))
	} else if unread > maxUnread {
		s.closed = true
	}
	switch {
	case s.closed:
		return 0, time.Time{}, io.ErrClosedPipe
	case !s.writeDeadline.IsZero() && !time.Now().Before(s.writeDeadline):
		return 0, time.Time{}, os.ErrDeadlineExceeded
	}
	s.unread = append(s.unread, p[:n]...)
	tell(s.changed)
	return n, s.writeDeadline, nil
}

// wait returns when there is a token, or at the deadline if it is not zero.
func wait(token <-chan struct{}, deadline time.Time) {
	if deadline.IsZero() {
		<-token
		return
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-token:
	case <-timer.C:
	}
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	tell(s.changed)
	tell(s.room)
}

func (s *stream) setReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	tell(s.changed)
}

func (s *stream) setWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeDeadline = t
	tell(s.room)
}

// tell leaves a token. One is enough: whoever takes it looks at everything.
func tell(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
