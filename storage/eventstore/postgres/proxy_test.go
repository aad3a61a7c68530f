package postgres_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a store and its server, and loses connections at the worst moment.
type proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	loses loss
	conns []net.Conn
	count int // of connections that were lost by intent
	down  bool
}

type loss int

const (
	nothing    loss = iota
	theAnswer       // the server commits, and its answer is lost
	theRequest      // what is to be written and committed does not reach the server
)

// throughProxy returns a proxy before a server's address, and the address of the proxy.
func throughProxy(t *testing.T, address string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host}
	t.Cleanup(func() { l.Close(); p.cut() })
	go p.serve()
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		server, err := net.Dial("tcp", p.server)
		if err != nil || down {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		l := &link{proxy: p, client: client, server: server}
		go l.requests()
		go l.answers()
	}
}

// lose has the next transaction lost in some way, and no connection made afterwards if down.
func (p *proxy) lose(what loss, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loses, p.down, p.count = what, false, 0
	if down {
		p.down = true
	}
}

// takes reports whether the loss is due, and counts it. It happens once.
func (p *proxy) takes(what loss) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loses != what {
		return false
	}
	p.loses = nothing
	p.count++
	return true
}

func (p *proxy) lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// link is one connection through the proxy.
type link struct {
	proxy          *proxy
	client, server net.Conn
	mu             sync.Mutex
	writing        bool // the client has begun a transaction and knows what it has to
}

func (l *link) close() { l.client.Close(); l.server.Close() }

func (l *link) requests() {
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		writing := l.writing
		l.mu.Unlock()
		if writing && l.proxy.takes(theRequest) {
			return
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// answers passes the server's messages on: a letter, a length that counts itself, and what it says.
func (l *link) answers() {
	defer l.close()
	from := bufio.NewReader(l.server)
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if head[0] == 'C' && strings.HasPrefix(string(body), "COMMIT") && l.proxy.takes(theAnswer) {
			return
		}
		if head[0] == 'Z' { // ready, and whether within a transaction
			l.mu.Lock()
			l.writing = bytes.Equal(body, []byte("T"))
			l.mu.Unlock()
		}
		if _, err := l.client.Write(append(head, body...)); err != nil {
			return
		}
	}
}
