package edge

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/shortener"
)

// browser is what a browser sends.
const browser = "Host: sn.example\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: cross-site\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-User: ?1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Referer: https://news.example/story/1?id=2\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\r\n"

// nullLog takes clicks and forgets them.
type nullLog struct{ n uint64 }

func (l *nullLog) Append([]byte) (uint64, error) { l.n++; return l.n, nil }

// hot returns an edge that has the link "abc" in memory.
func hot(tb testing.TB) *Edge {
	tb.Helper()
	links := newLinks(link("abc", "https://example.com/a/long/path?with=query&and=more"))
	e, err := New(Config{Resolver: links, Spool: &nullLog{}, BaseURL: "https://sn.example", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	if _, _, err := e.load(shortener.Ref{Code: "abc"}, false); err != nil {
		tb.Fatal(err)
	}
	return e
}

// What a hit allocates in the server around our handler is measured apart, by BenchmarkHit: with keep-alive
// it is nothing either.
func TestAHitAllocatesNothing(t *testing.T) {
	for _, target := range []string{"/abc", "/abc?qr&utm_source=news+letter&utm_campaign=x"} {
		e := hot(t)
		var req fasthttp.Request
		if err := req.Header.Read(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\n" + browser))); err != nil {
			t.Fatal(err)
		}
		ctx := &fasthttp.RequestCtx{}
		ctx.Init(&req, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:40000")), nil)
		ctx.URI() // parsed by the server before it calls us
		got := testing.AllocsPerRun(500, func() {
			ctx.Response.Reset()
			e.serve(ctx)
		})
		if ctx.Response.StatusCode() != 302 {
			t.Fatalf("status = %d, want 302", ctx.Response.StatusCode())
		}
		if got != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations, want none", target, got)
		}
	}
}

// BenchmarkHandler is a hit without the server around it.
func BenchmarkHandler(b *testing.B) {
	e := hot(b)
	var req fasthttp.Request
	if err := req.Header.Read(bufio.NewReader(strings.NewReader("GET /abc HTTP/1.1\r\n" + browser))); err != nil {
		b.Fatal(err)
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:40000")), nil)
	ctx.URI()
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		e.serve(ctx)
	}
}

// BenchmarkHit is a hit with the server, over a connection that costs nothing: each read brings one
// request, and what is written is counted.
func BenchmarkHit(b *testing.B) {
	e := hot(b)
	conn := &replay{request: []byte("GET /abc HTTP/1.1\r\n" + browser), left: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	if err := e.server.ServeConn(conn); err != nil {
		b.Fatal(err)
	}
	if conn.written == 0 {
		b.Fatal("nothing was answered")
	}
}

// replay is a connection on which the same request arrives over and over.
type replay struct {
	request []byte
	left    int
	written int
}

func (c *replay) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

func (c *replay) Write(p []byte) (int, error)      { c.written += len(p); return len(p), nil }
func (c *replay) Close() error                     { return nil }
func (c *replay) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *replay) RemoteAddr() net.Addr             { return replayAddr }
func (c *replay) SetDeadline(time.Time) error      { return nil }
func (c *replay) SetReadDeadline(time.Time) error  { return nil }
func (c *replay) SetWriteDeadline(time.Time) error { return nil }

var replayAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:40000"))
