package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/infra/balancer"
	"snowlink/infra/memnet"
	"snowlink/infra/registry"
	"snowlink/shortener"
)

// process is an instance that can be stopped, killed, and be unready. It counts the calls it was asked for
// by clients.
type process struct {
	mu       sync.Mutex
	stopped  chan struct{} // nil, or closed when it goes on
	dead     bool
	silent   bool // its host does not even refuse connections
	unready  bool
	gone     bool // it hangs up instead of answering
	listener *memnet.Listener
	calls    atomic.Int64
}

func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	stopped, unready, gone := p.stopped, p.unready, p.gone
	p.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	switch {
	case r.URL.Path == "/livez":
		return
	case r.URL.Path == "/readyz":
		if unready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	p.calls.Add(1)
	if gone {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(protocolHeader, strconv.Itoa(shortener.Protocol))
	if strings.HasPrefix(r.URL.Path, "/internal/") {
		w.WriteHeader(http.StatusNotFound)
	}
}

func (p *process) set(change func(*process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *process) stop() { p.set(func(p *process) { p.stopped = make(chan struct{}) }) }

func (p *process) goOn() {
	p.set(func(p *process) {
		if p.stopped != nil {
			close(p.stopped)
			p.stopped = nil
		}
	})
}

// fleet is a gateway before processes a, b, …, in the time of a synctest bubble, and without a server.
type fleet struct {
	*Gateway
	t         *testing.T
	processes map[string]*process
	list      *list
}

func startFleet(t *testing.T, names ...string) *fleet {
	return startFleetAs(t, func(*Config) {}, names...)
}

func startFleetAs(t *testing.T, change func(*Config), names ...string) *fleet {
	t.Helper()
	t.Cleanup(func() { time.Sleep(time.Minute) }) // fasthttp's goroutine that clears connections sleeps
	f := &fleet{t: t, processes: map[string]*process{}, list: &list{}}
	f.list.set(names...)
	for _, name := range names {
		p := &process{listener: memnet.Listen(64 << 10)}
		f.processes[name] = p
		server := &http.Server{Handler: p, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { _ = server.Serve(p.listener) }()
		t.Cleanup(func() { p.goOn(); _ = server.Close() })
	}
	config := Config{
		Services: map[string]Directory{"api": f.list}, Logger: slog.New(slog.DiscardHandler), Dial: f.dial,
		Balancer: balancer.Config{Policy: balancer.RoundRobin},
	}
	change(&config)
	f.Gateway = New(config)
	ctx, cancel := context.WithCancel(context.Background())
	checked := make(chan error, 1)
	go func() { checked <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-checked; err != nil {
			t.Errorf("Run: %v", err)
		}
		f.Close()
	})
	return f
}

func (f *fleet) dial(ctx context.Context, addr string) (net.Conn, error) {
	p := f.processes[addr]
	p.mu.Lock()
	dead, silent := p.dead, p.silent
	p.mu.Unlock()
	switch {
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case dead:
		return nil, errors.New("connection refused")
	}
	return p.listener.Dial()
}

// ask makes a call as a client would.
func (f *fleet) ask(method, path string) (status int, took time.Duration) {
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(path)
	req.Header.SetHost("sn.example")
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}, nil)
	began := time.Now()
	f.Handler(ctx)
	if s := ctx.Response.BodyStream(); s != nil {
		_, _ = io.Copy(io.Discard, s)
		_ = ctx.Response.CloseBodyStream()
	}
	return ctx.Response.StatusCode(), time.Since(began)
}

// resolve asks for a link, which there is not, as an edge would.
func (f *fleet) resolve(c *Client) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	began := time.Now()
	_, _, err = c.Resolve(ctx, shortener.Ref{Code: "x"})
	return time.Since(began), err
}

// traffic makes a GET and an internal call each 20 ms, and returns how many failed and the longest of each
// in seconds of time: the first second, the second one, and so on.
func (f *fleet) traffic(seconds int) (failed int, slowest, slowestInternal []time.Duration) {
	var all sync.WaitGroup
	var mu sync.Mutex
	slowest, slowestInternal = make([]time.Duration, seconds), make([]time.Duration, seconds)
	client := f.Client("api")
	for i := range seconds * 50 {
		note := func(at []time.Duration, ok bool, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			at[i/50] = max(at[i/50], took)
			if !ok {
				failed++
			}
		}
		all.Go(func() {
			status, took := f.ask("GET", "/api/v1/links")
			note(slowest, status == 200, took)
		})
		all.Go(func() {
			took, err := f.resolve(client)
			note(slowestInternal, err == nil, took)
		})
		time.Sleep(20 * time.Millisecond)
	}
	all.Wait()
	return failed, slowest, slowestInternal
}

// Of two instances one ceases in whatever way: no call that may be repeated fails, edges' own calls hardly
// wait, and after a moment nobody does.
func TestOneOfTwoInstancesCeases(t *testing.T) {
	ways := map[string]struct {
		cease func(*process)
		first time.Duration // the most a client waits at first
	}{
		"it is killed":          {func(p *process) { p.dead, p.gone = true, true }, 10 * time.Millisecond},
		"it is stopped":         {func(p *process) { p.stopped = make(chan struct{}) }, 2500 * time.Millisecond},
		"its host is cut off":   {func(p *process) { p.silent, p.stopped = true, make(chan struct{}) }, 2500 * time.Millisecond},
		"it shuts down":         {func(p *process) { p.unready = true }, 10 * time.Millisecond},
		"it hangs up each time": {func(p *process) { p.gone = true }, 10 * time.Millisecond},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := startFleet(t, "a", "b")
				if failed, _, _ := f.traffic(2); failed > 0 {
					t.Fatalf("%d calls failed before the fault", failed)
				}
				f.processes["a"].set(way.cease)
				failed, slowest, internal := f.traffic(10)
				if failed > 0 {
					t.Errorf("%d calls failed, want none", failed)
				}
				for i, took := range slowest {
					if took > way.first || i > 2 && took > 300*time.Millisecond {
						t.Errorf("second %d: a client waited %v", i, took)
					}
				}
				for i, took := range internal {
					if took > 60*time.Millisecond {
						t.Errorf("second %d: an internal call took %v", i, took)
					}
				}
			})
		})
	}
}

// A write is asked of one instance only. If that hangs, its client is told so rather than left waiting for as
// long as a request may take.
func TestAWriteToAnInstanceThatStopsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFleet(t, "a")
		time.Sleep(10 * time.Millisecond)
		f.processes["a"].stop()
		if status, took := f.ask("DELETE", "/api/v1/links/x"); status != 503 || took > 7*time.Second {
			t.Errorf("status %d after %v, want 503 within 7 s", status, took)
		}
		if status, took := f.ask("DELETE", "/api/v1/links/x"); status != 503 || took > 0 {
			t.Errorf("the next one: status %d after %v, want 503 at once", status, took)
		}
		if n := f.processes["a"].calls.Load(); n > 0 {
			t.Errorf("%d calls were acted upon while it was stopped", n)
		}
	})
}

func TestAllInstancesStopAndGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFleet(t, "a", "b")
		f.traffic(1)
		for _, p := range f.processes {
			p.stop()
		}
		f.traffic(20)
		if status, took := f.ask("GET", "/api/v1/links"); status != 503 || took > 0 {
			t.Errorf("while they are stopped: status %d after %v, want 503 at once", status, took)
		}
		if took, err := f.resolve(f.Client("api")); err == nil || took > 0 {
			t.Errorf("while they are stopped: %v after %v, want an error at once", err, took)
		}
		for _, p := range f.processes {
			p.goOn()
		}
		time.Sleep(3 * time.Second)
		if failed, _, _ := f.traffic(5); failed > 0 {
			t.Errorf("%d calls failed though they had gone on 3 s before", failed)
		}
	})
}

// That all say they are not ready is a fault they share, and no reason to ask none of them.
func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFleet(t, "a", "b")
		calls := func() (a, b int64) {
			f.processes["a"].calls.Store(0)
			f.processes["b"].calls.Store(0)
			if failed, _, _ := f.traffic(1); failed > 0 {
				t.Errorf("%d calls failed", failed)
			}
			return f.processes["a"].calls.Load(), f.processes["b"].calls.Load()
		}
		unready := func(name string, is bool) {
			f.processes[name].set(func(p *process) { p.unready = is })
			time.Sleep(1100 * time.Millisecond)
		}
		unready("a", true)
		if a, b := calls(); a != 0 || b != 100 {
			t.Errorf("a is not ready: %d, %d calls, want 0, 100", a, b)
		}
		unready("b", true)
		if a, b := calls(); a < 40 || b < 40 {
			t.Errorf("neither is ready: %d, %d calls, want about 50 each", a, b)
		}
		unready("a", false)
		if a, b := calls(); a != 100 || b != 0 {
			t.Errorf("a is ready again: %d, %d calls, want 100, 0", a, b)
		}
	})
}

// Instances that hang up on everyone are not asked several times as often for that.
func TestRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFleetAs(t, func(c *Config) { // neither breakers nor ejections help
			c.Breaker.MinCalls, c.Balancer.EjectAfter = 1<<30, -1
		}, "a", "b", "c")
		for _, p := range f.processes {
			p.gone = true
		}
		const n = 5000
		for range n {
			f.ask("GET", "/api/v1/links")
		}
		var calls int64
		for _, p := range f.processes {
			calls += p.calls.Load()
		}
		if most := int64(n + n/5 + 100); calls < n || calls > most {
			t.Errorf("%d calls of %d clients, want %d at most", calls, n, most)
		}
	})
}

// A process that was started anew is not held to what the one before it has done.
func TestARestartedInstanceBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFleet(t, "a")
		f.traffic(1)
		f.processes["a"].set(func(p *process) { p.dead, p.gone = true, true })
		f.traffic(5)
		f.processes["a"].set(func(p *process) { p.dead, p.gone = false, false })
		f.list.restart(registry.Instance{Service: "api", ID: "a", Addr: "a", Generation: 2})
		if status, _ := f.ask("GET", "/api/v1/links"); status != 200 {
			t.Errorf("status = %d right after the restart, want 200", status)
		}
		if _, err := f.resolve(f.Client("api")); err != nil {
			t.Errorf("right after the restart: %v", err)
		}
	})
}
