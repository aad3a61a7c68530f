package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestWhatTheGatewayIsTold(t *testing.T) {
	tests := []struct {
		name, peer string
		header     []string
		client     string
		proto      string
	}{
		{"from anyone", "192.0.2.7", []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https"}, "192.0.2.7", ""},
		{"from a proxy", "10.0.0.1", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"}, "203.0.113.9", "https"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var client, proto string
			w := start(t, func(c *Config) {
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				c.Gateway = func(ctx *fasthttp.RequestCtx) {
					client, proto = ctx.RemoteIP().String(), string(ctx.Request.Header.Peek("X-Forwarded-Proto"))
				}
			})
			w.wantStatus(w.ask(tt.peer, "GET", "/api/v1/links", tt.header...), 200)
			if client != tt.client || proto != tt.proto {
				t.Errorf("client = %s, proto = %q; want %s, %q", client, proto, tt.client, tt.proto)
			}
		})
	}
}

func TestVisitorsWhoShareAConnectionAreToldApart(t *testing.T) {
	geo := &fixedGeo{}
	w := start(t, func(c *Config) {
		c.Geo, c.TrustedProxies = geo, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Gateway = func(*fasthttp.RequestCtx) {}
	}, link("abc", "https://example.com/"))
	conn, err := w.ln.DialWithLocalAddr(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	for i, path := range []string{"/api", "/abc", "/app", "/abc"} {
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.%d\r\n\r\n", path, i)
		if _, err := http.ReadResponse(br, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.3")}
	if !slices.Equal(geo.asked, want) {
		t.Errorf("addresses of the clicks = %v, want %v", geo.asked, want)
	}
}

func TestNoGateway(t *testing.T) {
	w := start(t, nil)
	w.wantStatus(w.get("/api/v1/links", "Accept: application/json"), 503)
}

func TestAPanicCostsOnlyItsRequest(t *testing.T) {
	w := start(t, func(c *Config) { c.Gateway = func(*fasthttp.RequestCtx) { panic("oh") } }, link("abc", "https://example.com/"))
	w.wantStatus(w.get("/app"), 500)
	w.wantStatus(w.get("/abc"), 302)
}

// A client that does not look at the answer before all is sent would see a reset instead of it.
func TestARefusalArrivesThoughTheClientIsStillSending(t *testing.T) {
	const limit, size = 1 << 20, 8 << 20
	tests := []struct {
		name, framing string
		gateway       fasthttp.RequestHandler
		want          int
	}{
		{"announced", fmt.Sprintf("Content-Length: %d", size), func(*fasthttp.RequestCtx) { panic("reached the gateway") }, 413},
		{"chunked", "Transfer-Encoding: chunked", func(ctx *fasthttp.RequestCtx) {
			_, _ = io.CopyN(io.Discard, ctx.RequestBodyStream(), limit)
			ctx.SetStatusCode(413)
		}, 413},
		{"refused unread", "Transfer-Encoding: chunked", func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(401) }, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, func(c *Config) { c.Gateway, c.Limits.MaxBody = tt.gateway, limit })
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- w.Serve(ln) }() // its error is that of a closed listener
			t.Cleanup(func() {
				_ = ln.Close() // Shutdown comes later
				<-served
			})
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = fmt.Fprintf(conn, "POST /api/v1/links HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", tt.framing)
			if strings.Contains(tt.framing, "chunked") {
				_, _ = fmt.Fprintf(conn, "%x\r\n", size)
			}
			if _, err := conn.Write(make([]byte, size)); err != nil {
				t.Fatalf("sending was cut off: %v", err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			w.wantStatus(resp, tt.want)
		})
	}
}
