package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"snowlink/infra/balancer"
	"snowlink/infra/breaker"
	"snowlink/infra/registry"
	"snowlink/shortener"
)

func TestRetries(t *testing.T) {
	var calls atomic.Int64
	answers := func(rw http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		_, _ = io.Copy(rw, r.Body)
	}
	hangsUp := func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	}
	tests := []struct {
		name, method, body string
		first              http.HandlerFunc
		status             int
		calls              int64
		detail             string
	}{
		{"a read whose instance hangs up", "GET", "", hangsUp, 200, 2, ""},
		{"a write whose instance hangs up", "POST", "x", hangsUp, 503, 1, "not known"},
		{"a write without a body whose instance hangs up", "DELETE", "", hangsUp, 503, 1, "not known"},
		{"a read whose instance is gone", "GET", "", nil, 200, 1, ""},
		{"a write whose instance is gone", "POST", "x", nil, 200, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls.Store(0)
			w := start(t, nil, map[string]http.HandlerFunc{"a": tt.first, "b": answers})
			resp, body := w.ask(tt.method, "/api/v1/links", tt.body)
			wantStatus(t, resp, tt.status)
			if resp.StatusCode == 200 && body != tt.body {
				t.Errorf("body = %q, want %q", body, tt.body)
			}
			if n := calls.Load(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
			if !strings.Contains(body, tt.detail) {
				t.Errorf("body = %s, want it to say %q", body, tt.detail)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	for name, instances := range map[string]map[string]http.HandlerFunc{"none": {}, "all gone": {"a": nil, "b": nil}} {
		w := start(t, nil, instances)
		resp, body := w.ask("POST", "/api/v1/links", "{}")
		wantStatus(t, resp, 503)
		if resp.Header.Get("Retry-After") != "1" || resp.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, `"type":"https://sn.example/problems/unavailable"`) || !strings.Contains(body, "Nothing was done") {
			t.Errorf("%s: headers %v, body %s", name, resp.Header, body)
		}
	}
}

func TestTimeout(t *testing.T) {
	stop := make(chan struct{})
	w := start(t, func(c *Config) { c.Timeout = 50 * time.Millisecond }, map[string]http.HandlerFunc{
		"a": func(http.ResponseWriter, *http.Request) { <-stop },
	})
	resp, body := w.ask("POST", "/api/v1/links", "{}")
	close(stop)
	wantStatus(t, resp, 503)
	if !strings.Contains(body, "not known") {
		t.Errorf("body = %s", body)
	}
}

func TestAnInternalCallLeavesTimeForAnotherInstance(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	w := start(t, nil, map[string]http.HandlerFunc{
		"a": func(http.ResponseWriter, *http.Request) { <-stop },
		"b": api(http.StatusNotFound, protocolHeader, strconv.Itoa(shortener.Protocol)),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for range 2 {
		if _, found, err := w.Client("api").Resolve(ctx, shortener.Ref{Code: "x"}); found || err != nil {
			t.Errorf("Resolve = %v, %v, want the answer of the other instance", found, err)
		}
	}
}

func TestABrokenInstanceIsLeftAlone(t *testing.T) {
	var b atomic.Int64
	w := start(t, func(c *Config) { c.Breaker = breaker.Config{MinCalls: 3, OpenFor: time.Hour} }, map[string]http.HandlerFunc{
		"a": nil, "b": func(http.ResponseWriter, *http.Request) { b.Add(1) },
	})
	for range 20 {
		resp, _ := w.ask("GET", "/api", "")
		wantStatus(t, resp, 200)
	}
	if n := w.dials.Load(); b.Load() != 20 || n > 5 {
		t.Errorf("%d answers and %d dials, want 20 and few", b.Load(), n)
	}
	if s := w.Status()["api"][0]; s.Available {
		t.Error("the dead instance is said to be available")
	}
}

func TestInstancesComeAndGo(t *testing.T) {
	var a, b atomic.Int64
	w := start(t, nil, map[string]http.HandlerFunc{
		"a": func(http.ResponseWriter, *http.Request) { a.Add(1) }, "b": func(http.ResponseWriter, *http.Request) { b.Add(1) },
	})
	w.list.set("a")
	w.ask("GET", "/api", "")
	w.ask("GET", "/api", "")
	w.list.set("b")
	w.ask("GET", "/api", "")
	if a.Load() != 2 || b.Load() != 1 {
		t.Errorf("calls = %d, %d, want 2, 1", a.Load(), b.Load())
	}
}

func TestClient(t *testing.T) {
	record := shortener.Record{Ref: shortener.Ref{Domain: "d.example", Code: "abc"}, Version: 3, Target: "https://example.com/"}
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(protocolHeader, r.Header.Get(protocolHeader))
		switch q := r.URL.Query(); {
		case r.Header.Get(clusterHeader) != "cluster":
			rw.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/internal/salt" && q.Get("day") == "2026-03-14":
			_, _ = io.WriteString(rw, "sixteen bytes at least")
		case r.URL.Path != "/internal/resolve":
			rw.WriteHeader(http.StatusBadRequest)
		case q.Get("code") == "abc" && q.Get("domain") == "d.example", q.Get("code") == "mixed-up":
			_, _ = rw.Write(shortener.AppendRecord(nil, record))
		case q.Get("code") == "down":
			rw.WriteHeader(http.StatusServiceUnavailable)
		default:
			rw.WriteHeader(http.StatusNotFound)
		}
	}})
	c := w.Client("api")
	got, found, err := c.Resolve(t.Context(), record.Ref)
	if got != record || !found || err != nil {
		t.Errorf("Resolve = %+v, %v, %v", got, found, err)
	}
	if _, found, err = c.Resolve(t.Context(), shortener.Ref{Code: "none"}); found || err != nil {
		t.Errorf("unknown: %v, %v, want false, nil", found, err)
	}
	for _, code := range []string{"down", "mixed-up"} {
		if _, found, err = c.Resolve(t.Context(), shortener.Ref{Code: code}); found || err == nil {
			t.Errorf("%s: %v, %v, want an error", code, found, err)
		}
	}
	day := time.Date(2026, 3, 14, 23, 0, 0, 0, time.UTC)
	first, err := c.Salt(t.Context(), day)
	if second, _ := c.Salt(t.Context(), day); err != nil || first != second || first == [16]byte{} {
		t.Errorf("Salt = %x, %v, then %x", first, err, second)
	}
	if _, err = c.Salt(t.Context(), day.AddDate(0, 0, 1)); err == nil {
		t.Error("a salt that was refused is no error")
	}
	w.list.set()
	if _, found, err = c.Resolve(t.Context(), record.Ref); found || !errors.Is(err, balancer.ErrNone) {
		t.Errorf("without an instance: %v, %v, want ErrNone", found, err)
	}
}

func TestAConnectionThatWasClosedWhileIdleIsNotUsed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server *http.Server
	closed := make(chan struct{}, 16)
	serve := func(ln net.Listener) {
		server = &http.Server{
			Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) }),
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateClosed {
					closed <- struct{}{}
				}
			},
		}
		go func(s *http.Server) { _ = s.Serve(ln) }(server)
	}
	serve(ln)
	dialer := &net.Dialer{}
	w := start(t, func(c *Config) {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", ln.Addr().String())
		}
	}, map[string]http.HandlerFunc{"a": nil})
	resp, _ := w.ask("POST", "/api", "one")
	wantStatus(t, resp, 200)
	_ = server.Close()
	<-closed
	again, err := net.Listen("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	serve(again)
	t.Cleanup(func() { _ = server.Close() })
	resp, body := w.ask("POST", "/api", "two")
	wantStatus(t, resp, 200)
	if body != "two" {
		t.Errorf("body = %q, want that of the second request", body)
	}
}

func BenchmarkProxy(b *testing.B) {
	ln := fasthttputil.NewInmemoryListener()
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	g := New(Config{
		Services: map[string]Directory{"api": registry.Static{{ID: "a", Addr: "a"}}},
		Dial:     func(context.Context, string) (net.Conn, error) { return ln.Dial() },
	})
	defer g.Close()
	c := g.Client("api")
	b.ReportAllocs()
	for b.Loop() {
		if status, _, err := c.get(b.Context(), "/internal/x"); status != 200 || err != nil {
			b.Fatal(status, err)
		}
	}
}
