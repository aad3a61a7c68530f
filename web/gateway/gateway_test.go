package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"snowlink/infra/balancer"
	"snowlink/infra/breaker"
	"snowlink/infra/registry"
	"snowlink/shortener"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Goroutines of fasthttp that outlive their server and their client by up to 15 s, and that of the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

// world is a gateway behind a server in memory, before instances that are net/http servers in memory.
type world struct {
	*Gateway
	t         *testing.T
	front     *fasthttputil.InmemoryListener
	instances map[string]*fasthttputil.InmemoryListener
	list      *list
	dials     atomic.Int64
}

// list is a directory that can change.
type list struct {
	mu  sync.Mutex
	all []registry.Instance
}

func (l *list) Instances() []registry.Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *list) set(names ...string) {
	all := make([]registry.Instance, 0, len(names))
	for _, n := range names {
		all = append(all, registry.Instance{Service: "api", ID: n, Addr: n})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

func (l *list) restart(all ...registry.Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

// start runs instances by name. One without a handler cannot be dialled.
func start(t *testing.T, change func(*Config), instances map[string]http.HandlerFunc) *world {
	t.Helper()
	w := &world{t: t, front: fasthttputil.NewInmemoryListener(), instances: map[string]*fasthttputil.InmemoryListener{}, list: &list{}}
	var names []string
	for name, handler := range instances {
		names = append(names, name)
		if handler == nil {
			continue
		}
		ln := fasthttputil.NewInmemoryListener()
		w.instances[name] = ln
		server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { _ = server.Serve(ln) }()
		t.Cleanup(func() { _ = server.Close() })
	}
	slices.Sort(names)
	w.list.set(names...)
	config := Config{
		Services: map[string]Directory{"api": w.list}, Secret: "cluster", BaseURL: "https://sn.example",
		Logger: slog.New(slog.DiscardHandler), Dial: w.dial,
		Balancer: balancer.Config{Policy: balancer.RoundRobin},
	}
	if change != nil {
		change(&config)
	}
	w.Gateway = New(config)
	server := &fasthttp.Server{Handler: w.Handler, StreamRequestBody: true, MaxRequestBodySize: 8 << 10, WriteTimeout: 30 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(w.front) }()
	t.Cleanup(func() {
		w.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.ShutdownWithContext(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	})
	return w
}

func (w *world) dial(_ context.Context, addr string) (net.Conn, error) {
	w.dials.Add(1)
	if ln := w.instances[addr]; ln != nil {
		return ln.Dial()
	}
	return nil, errors.New("connection refused")
}

func (w *world) connect() net.Conn {
	w.t.Helper()
	c, err := w.front.DialWithLocalAddr(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a request as it stands and returns the response with its body.
func (w *world) ask(method, target, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	raw := method + " " + target + " HTTP/1.1\r\nHost: sn.example\r\n"
	if body != "" {
		raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	for _, h := range header {
		raw += h + "\r\n"
	}
	return w.send(method, raw+"\r\n"+body)
}

func (w *world) send(method, raw string) (*http.Response, string) {
	w.t.Helper()
	c := w.connect()
	go func() { _, _ = io.WriteString(c, raw) }() // ends with the connection; the answer may come before
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%s: %v", strings.SplitN(raw, "\r\n", 2)[0], err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("read body: %v", err)
	}
	return resp, string(b)
}

func wantStatus(t *testing.T, resp *http.Response, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("status = %d, want %d", resp.StatusCode, want)
	}
}

func TestARequestArrivesAsItWasSent(t *testing.T) {
	var got *http.Request
	var gotBody string
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, gotBody = r, string(b)
		rw.Header().Set("ETag", `"7"`)
		rw.Header().Set("Connection", "close, X-Secret")
		rw.Header().Set("X-Secret", "for the gateway")
		rw.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(rw, "made")
	}})
	resp, body := w.ask("POST", "/api/v1/links/a%2Fb//c/../d?x=%20+y&z", `{"url":"…"}`,
		"Authorization: Bearer slk_x", "Content-Type: application/json", "X-Custom: 1",
		"X-Snowlink-Client: 6.6.6.6", "x-snowlink-cluster: guess", "X-Forwarded-For: 6.6.6.6",
		"Connection: keep-alive, X-Hop", "X-Hop: 1", "Te: trailers", "Upgrade: websocket", "X-Request-Id: mine-1")
	wantStatus(t, resp, 201)
	if body != "made" || resp.Header.Get("ETag") != `"7"` {
		t.Errorf("body = %q, ETag = %q", body, resp.Header.Get("ETag"))
	}
	if resp.Header.Get("X-Secret") != "" || resp.Header.Get("Connection") != "" || resp.Close {
		t.Errorf("headers between the hops were passed on: %v", resp.Header)
	}
	if got.RequestURI != "/api/v1/links/a%2Fb//c/../d?x=%20+y&z" || got.Host != "sn.example" || gotBody != `{"url":"…"}` {
		t.Errorf("got %s of %s with %q", got.RequestURI, got.Host, gotBody)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer slk_x", "Content-Type": "application/json", "X-Custom": "1",
		"X-Snowlink-Client": "192.0.2.7", "X-Snowlink-Cluster": "", "X-Forwarded-For": "192.0.2.7",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": "sn.example", "X-Request-Id": "mine-1",
		"X-Hop": "", "Te": "", "Upgrade": "", "Connection": "",
	} {
		if v := strings.Join(got.Header.Values(name), ","); v != want {
			t.Errorf("%s = %q, want %q", name, v, want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	var got string
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X-Request-Id") }})
	for _, id := range []string{"", "has space", strings.Repeat("x", 65), "quote\""} {
		w.ask("GET", "/api", "", "X-Request-Id: "+id)
		if got == id || !isRequestID(got) {
			t.Errorf("id %q became %q, want a new one", id, got)
		}
	}
}

func TestRoutes(t *testing.T) {
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(http.ResponseWriter, *http.Request) {}})
	for path, want := range map[string]int{
		"/api": 200, "/api/v1/links": 200, "/app": 200, "/app/": 200,
		"/apis": 404, "/internal/resolve": 404, "//api/v1": 404, "/x/../api/v1": 404,
	} {
		resp, _ := w.ask("GET", path, "")
		if resp.StatusCode != want {
			t.Errorf("%s: status = %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestResponsesOfEachKind(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<14)
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/none":
			rw.WriteHeader(http.StatusNoContent)
		case "/api/same":
			rw.WriteHeader(http.StatusNotModified)
		case "/api/big":
			rw.Header().Set("Content-Length", fmt.Sprint(len(big)))
			_, _ = io.WriteString(rw, big)
		case "/api/chunked":
			_, _ = io.WriteString(rw, big[:100])
			rw.(http.Flusher).Flush()
			_, _ = io.WriteString(rw, big[100:])
		case "/api/cookies":
			http.SetCookie(rw, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(rw, &http.Cookie{Name: "b", Value: "2"})
		}
	}})
	tests := []struct {
		method, path string
		status       int
		body         string
		length       string
	}{
		{"DELETE", "/api/none", 204, "", ""},
		{"GET", "/api/same", 304, "", ""},
		{"GET", "/api/big", 200, big, fmt.Sprint(len(big))},
		{"HEAD", "/api/big", 200, "", fmt.Sprint(len(big))},
		{"GET", "/api/chunked", 200, big, ""},
		{"GET", "/api/cookies", 200, "", "0"},
	}
	for range 2 { // on new connections and on used ones
		for _, tt := range tests {
			resp, body := w.ask(tt.method, tt.path, "")
			if resp.StatusCode != tt.status || body != tt.body || resp.Header.Get("Content-Length") != tt.length {
				t.Errorf("%s %s: status %d with %d bytes, Content-Length %q; want %d with %d, %q", tt.method, tt.path,
					resp.StatusCode, len(body), resp.Header.Get("Content-Length"), tt.status, len(tt.body), tt.length)
			}
		}
	}
	resp, _ := w.ask("GET", "/api/cookies", "")
	if n := len(resp.Cookies()); n != 2 {
		t.Errorf("%d cookies, want 2", n)
	}
	if n := w.dials.Load(); n != 1 {
		t.Errorf("%d connections were made for calls one after the other, want 1", n)
	}
}

func TestAStreamArrivesAsItIsWritten(t *testing.T) {
	next := make(chan string)
	w := start(t, func(c *Config) { c.Timeout = 50 * time.Millisecond }, map[string]http.HandlerFunc{
		"a": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "text/event-stream")
			for s := range next {
				_, _ = io.WriteString(rw, s)
				rw.(http.Flusher).Flush()
			}
		},
	})
	c := w.connect()
	_, _ = io.WriteString(c, "GET /api/v1/clicks/stream HTTP/1.1\r\nHost: x\r\n\r\n")
	go func() { next <- "data: 0\n\n" }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	body := bufio.NewReader(resp.Body)
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n", i)
		if got, err := body.ReadString('\n'); got != want || err != nil {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		_, _ = body.ReadString('\n')
		for time.Since(began) < 100*time.Millisecond { // for longer than a request may take
			time.Sleep(time.Millisecond)
		}
		if i < 2 {
			next <- fmt.Sprintf("data: %d\n\n", i+1)
		}
	}
	close(next)
}

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

func TestBodiesHaveALimit(t *testing.T) {
	var got atomic.Int64
	w := start(t, func(c *Config) { c.MaxBody = 100 << 10 }, map[string]http.HandlerFunc{
		"a": func(_ http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			got.Store(n)
		},
	})
	chunked := func(n int) string {
		return fmt.Sprintf("POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n))
	}
	resp, _ := w.send("POST", chunked(100<<10))
	wantStatus(t, resp, 200)
	if got.Load() != 100<<10 {
		t.Errorf("%d bytes arrived, want all", got.Load())
	}
	resp, body := w.send("POST", chunked(100<<10+1))
	wantStatus(t, resp, 413)
	if !strings.Contains(body, "too-large") {
		t.Errorf("body = %s", body)
	}
	resp, _ = w.ask("POST", "/api", strings.Repeat("x", 100<<10))
	wantStatus(t, resp, 200)
}

func TestAnEarlyAnswerIsNotLost(t *testing.T) {
	w := start(t, nil, map[string]http.HandlerFunc{"a": func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusUnauthorized)
	}})
	resp, _ := w.ask("POST", "/api", strings.Repeat("x", 4<<20))
	wantStatus(t, resp, 401)
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
