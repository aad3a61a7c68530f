package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

// patience is how long the crowd waits for an answer.
const patience = 10 * time.Second

// lines are the keep-alive connections to one edge. Whoever has something to ask takes one that is
// free, or makes one: nobody waits for another's answer.
type lines struct {
	address string
	key     string
	dial    func() (net.Conn, error)

	mu   sync.Mutex
	free []*line
}

// A line is one connection. It never sends a request twice, which would hide an error.
type line struct {
	conn   net.Conn
	reader *bufio.Reader
	used   time.Time
	answer fasthttp.Response
}

// reply is what the crowd looks at in an answer.
type reply struct {
	status     int
	location   string
	retryAfter string
	body       []byte
}

// ask sends one request and returns the answer to it.
func (l *lines) ask(method, path string, body any) (reply, error) {
	on, err := l.take()
	if err != nil {
		return reply{}, err
	}
	r, err := on.exchange(l.request(method, path, body))
	if err != nil || on.answer.ConnectionClose() {
		_ = on.conn.Close()
		return r, err
	}
	l.giveBack(on)
	return r, nil
}

// request writes a request: as a browser, or as an owner of links if there is a body or the path is
// the API's.
func (l *lines) request(method, path string, body any) []byte {
	head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, l.address)
	if method == "GET" && (len(path) < 5 || path[:5] != "/api/") {
		return fmt.Appendf(head, "User-Agent: %s\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n", browser)
	}
	head = fmt.Appendf(head, "Authorization: Bearer %s\r\n", l.key)
	if body == nil {
		return append(head, "\r\n"...)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return fmt.Appendf(head, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(raw), raw)
}

func (l *line) exchange(request []byte) (reply, error) {
	_ = l.conn.SetDeadline(time.Now().Add(patience))
	if _, err := l.conn.Write(request); err != nil {
		return reply{}, err
	}
	if err := l.answer.Read(l.reader); err != nil {
		return reply{}, err
	}
	h := &l.answer.Header
	return reply{
		status: l.answer.StatusCode(), location: string(h.Peek("Location")), retryAfter: string(h.Peek("Retry-After")),
		body: append([]byte(nil), l.answer.Body()...),
	}, nil
}

// take returns a line that was used lately: an edge closes one that was idle for long, which is no
// fault of its.
func (l *lines) take() (*line, error) {
	for on := l.takeFree(); on != nil; on = l.takeFree() {
		if !on.ended() {
			return on, nil
		}
		_ = on.conn.Close()
	}
	conn, err := l.dial()
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// ended looks whether the edge has closed the line while nothing was sent, which is its right.
func (l *line) ended() bool {
	_ = l.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.reader.Peek(1)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func (l *lines) takeFree() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return nil
	}
	on := l.free[n-1]
	if time.Since(on.used) > 5*time.Second { // the others have been idle for longer
		l.closeFree()
		return nil
	}
	l.free = l.free[:n-1]
	return on
}

func (l *lines) giveBack(on *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	on.used = time.Now()
	l.free = append(l.free, on)
}

func (l *lines) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFree()
}

func (l *lines) closeFree() {
	for _, on := range l.free {
		_ = on.conn.Close()
	}
	l.free = nil
}

var errNoLink = errors.New("the answer is no link")

// readLink reads the link that the API answered with.
func readLink(body []byte) (code, target string, err error) {
	var link struct{ Code, URL string }
	if err := json.Unmarshal(body, &link); err != nil || link.Code == "" {
		return "", "", fmt.Errorf("%w: %.200q", errNoLink, body)
	}
	return link.Code, link.URL, nil
}
