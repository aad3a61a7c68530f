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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"snowlink/infra/balancer"
	"snowlink/infra/registry"
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
	streamsOf(t, start(t, brief, events(next)), next)
}

func TestAStreamFlowsThroughTwoGateways(t *testing.T) {
	next := make(chan string)
	inner := start(t, brief, events(next))
	outer := start(t, func(c *Config) {
		brief(c)
		c.Dial = func(context.Context, string) (net.Conn, error) { return inner.front.Dial() }
	}, map[string]http.HandlerFunc{"gateway": nil})
	streamsOf(t, outer, next)
}

// brief is a gateway of little patience with what is no stream.
func brief(c *Config) { c.Timeout = 50 * time.Millisecond }

// events is an instance that sends what comes.
func events(next <-chan string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"a": func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for s := range next {
			_, _ = io.WriteString(rw, s)
			rw.(http.Flusher).Flush()
		}
	}}
}

// streamsOf follows a stream by way of w, and ends it.
func streamsOf(t *testing.T, w *world, next chan<- string) {
	t.Helper()
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
