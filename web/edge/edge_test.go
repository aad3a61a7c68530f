package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"snowlink/shortener"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp refreshes the Date header from a goroutine that lives as long as the process, and that
		// which clears idle workers ends up to 10 s after its server.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

var errDown = errors.New("connection refused")

// links is a store of links that can be down: it serves as shard and as api.
type links struct {
	mu      sync.Mutex
	records map[shortener.Ref]shortener.Record
	down    bool
	slow    int  // so many answers fail first
	doubted bool // what it holds may be out of date
	asked   int
}

func newLinks(records ...shortener.Record) *links {
	l := &links{records: map[shortener.Ref]shortener.Record{}}
	l.put(records...)
	return l
}

func (l *links) put(records ...shortener.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.records[r.Ref] = r
	}
}

func (l *links) setDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

func (l *links) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *links) Get(_ context.Context, ref shortener.Ref) (shortener.Record, Trust, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.down || l.slow > 0 {
		l.slow--
		return shortener.Record{}, Absent, errDown
	}
	r, ok := l.records[ref]
	if !ok {
		return r, Absent, nil
	}
	return r, map[bool]Trust{true: Unverified, false: Verified}[l.doubted], nil
}

func (l *links) Resolve(ctx context.Context, ref shortener.Ref) (shortener.Record, bool, error) {
	r, trust, err := l.Get(ctx, ref)
	return r, trust != Absent, err
}

// clickLog keeps clicks in memory, and fails on demand.
type clickLog struct {
	mu     sync.Mutex
	clicks []shortener.Click
	err    error
}

func (l *clickLog) Append(payload []byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	c, err := shortener.DecodeClick(payload)
	l.clicks = append(l.clicks, c)
	return uint64(len(l.clicks)), err
}

func (l *clickLog) all() []shortener.Click {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]shortener.Click(nil), l.clicks...)
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is an edge among fakes, behind a listener in memory.
type world struct {
	*Edge
	t      testing.TB
	shards *links
	api    *links
	clicks *clickLog
	clock  *clock
	ln     *fasthttputil.InmemoryListener
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func link(code, target string) shortener.Record {
	return shortener.Record{Ref: shortener.Ref{Code: code}, Version: 1, RedirectStatus: 302, Target: target}
}

func start(t testing.TB, change func(*Config), records ...shortener.Record) *world {
	t.Helper()
	w := &world{
		t: t, shards: newLinks(records...), api: newLinks(records...), clicks: &clickLog{}, clock: &clock{t: noon},
		ln: fasthttputil.NewInmemoryListener(),
	}
	config := Config{
		Shards: w.shards, Resolver: w.api, Spool: w.clicks, BaseURL: "https://sn.example", Now: w.clock.now,
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&config)
	}
	var err error
	if w.Edge, err = New(config); err != nil {
		t.Fatalf("New: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- w.Serve(w.ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

// ask sends one request as it stands, from an address, and returns the response with its body read.
func (w *world) ask(from, method, target string, header ...string) *http.Response {
	w.t.Helper()
	raw := method + " " + target + " HTTP/1.1\r\nHost: sn.example\r\nConnection: close\r\n"
	for _, h := range header {
		raw += h + "\r\n"
	}
	return w.send(from, method, raw+"\r\n")
}

func (w *world) send(from, method, raw string) *http.Response {
	w.t.Helper()
	conn, err := w.ln.DialWithLocalAddr(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 40000)))
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		w.t.Fatalf("send: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%s: read response: %v", strings.SplitN(raw, "\r\n", 2)[0], err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("read body: %v", err)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

func (w *world) get(target string, header ...string) *http.Response {
	w.t.Helper()
	return w.ask("192.0.2.7", "GET", target, header...)
}

func (w *world) wantStatus(resp *http.Response, want int) {
	w.t.Helper()
	if resp.StatusCode != want {
		w.t.Errorf("status = %d, want %d", resp.StatusCode, want)
	}
}

func bodyOf(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}
