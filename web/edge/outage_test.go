package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/shortener"
)

// far is a shard, or an api, somewhere else: it takes its time, and may refuse or hang.
type far struct {
	*links
	takes   atomic.Int64 // nanoseconds, for an answer
	hangs   atomic.Bool  // until its caller gives up
	mu      sync.Mutex
	inside  int
	busiest int // the most calls that were under way at once
}

func (f *far) pass(ctx context.Context) error {
	f.mu.Lock()
	f.inside++
	f.busiest = max(f.busiest, f.inside)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.inside--
		f.mu.Unlock()
	}()
	if f.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(time.Duration(f.takes.Load())):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *far) Get(ctx context.Context, ref shortener.Ref) (shortener.Record, Trust, error) {
	if err := f.pass(ctx); err != nil {
		return shortener.Record{}, Absent, err
	}
	return f.links.Get(ctx, ref)
}

func (f *far) Resolve(ctx context.Context, ref shortener.Ref) (shortener.Record, bool, error) {
	if err := f.pass(ctx); err != nil {
		return shortener.Record{}, false, err
	}
	return f.links.Resolve(ctx, ref)
}

// remote is an edge without a server, whose shard and api are far. Time is that of a synctest bubble.
type remote struct {
	*Edge
	t      *testing.T
	shards *far
	api    *far
}

func startRemote(t *testing.T, change func(*Config), records ...shortener.Record) *remote {
	t.Helper()
	r := &remote{t: t, shards: &far{links: newLinks(records...)}, api: &far{links: newLinks(records...)}}
	r.shards.takes.Store(int64(time.Millisecond))
	r.api.takes.Store(int64(2 * time.Millisecond))
	config := Config{
		Shards: r.shards, Resolver: r.api, Spool: &clickLog{}, BaseURL: "https://sn.example", Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	var err error
	if r.Edge, err = New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return r
}

// visit is one request by an address; a preview if path ends in +.
func (r *remote) visit(from, path string) (resp *fasthttp.Response, took time.Duration) {
	var req fasthttp.Request
	req.Header.SetMethod("GET")
	req.SetRequestURI(path)
	req.Header.SetHost("sn.example")
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 40000)), nil)
	began := time.Now()
	r.serve(ctx)
	return &ctx.Response, time.Since(began)
}

func (r *remote) want(path string, status int) *fasthttp.Response {
	r.t.Helper()
	resp, _ := r.visit("192.0.2.7", path)
	if got := resp.StatusCode(); got != status {
		r.t.Errorf("%s: status = %d, want %d", path, got, status)
	}
	return resp
}

func (r *remote) stop(hang bool) {
	for _, f := range []*far{r.shards, r.api} {
		f.hangs.Store(hang)
		f.setDown(!hang)
	}
}

func (r *remote) resume() {
	for _, f := range []*far{r.shards, r.api} {
		f.hangs.Store(false)
		f.setDown(false)
	}
}

// crowd visits a hot link each 5 ms and a cold one each 5 ms, and returns when all are answered.
func (r *remote) crowd(d time.Duration, check func(path string, resp *fasthttp.Response, took time.Duration)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range int(d / (5 * time.Millisecond)) {
		for _, path := range []string{fmt.Sprintf("/hot%d", i%50), fmt.Sprintf("/cold%d", i%5000)} {
			all.Go(func() {
				resp, took := r.visit("192.0.2.7", path)
				mu.Lock()
				defer mu.Unlock()
				check(path, resp, took)
			})
		}
		time.Sleep(5 * time.Millisecond)
	}
	all.Wait()
}

func everyLink() (all []shortener.Record) {
	for i := range 50 {
		all = append(all, link(fmt.Sprintf("hot%d", i), "https://example.com/"))
	}
	for i := range 5000 {
		all = append(all, link(fmt.Sprintf("cold%d", i), "https://example.com/"))
	}
	return all
}

// With everything behind gone, dead or hanging, what is in memory redirects, also beyond its time, and the
// rest is told to come back, by the first request after the fault as by the last; and all is there again
// soon after the return.
func TestOutage(t *testing.T) {
	for name, hang := range map[string]bool{"connections are refused": false, "everything hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startRemote(t, nil, everyLink()...)
				for i := range 50 {
					r.want(fmt.Sprintf("/hot%d", i), 302)
				}
				r.stop(hang)
				var hot, waited int
				r.crowd(70*time.Second, func(path string, resp *fasthttp.Response, took time.Duration) {
					want := 302
					if path[:4] != "/hot" {
						want = 503
						if got := string(resp.Header.Peek("Retry-After")); got == "" {
							t.Errorf("%s: no Retry-After", path)
						}
					} else if hot++; took > 10*time.Millisecond {
						waited++
					}
					if resp.StatusCode() != want || took > 200*time.Millisecond {
						t.Errorf("%s: %d after %v, want %d within 200 ms", path, resp.StatusCode(), took, want)
					}
				})
				if waited*100 > hot {
					t.Errorf("%d of %d visitors of hot links had to wait, want under 1 %%", waited, hot)
				}
				r.resume()
				time.Sleep(2500 * time.Millisecond) // the breakers of this process; links are still asked for
				r.crowd(10*time.Second, func(path string, resp *fasthttp.Response, took time.Duration) {
					if resp.StatusCode() != 302 {
						t.Errorf("after the return: %s: %d", path, resp.StatusCode())
					}
				})
			})
		})
	}
}

func TestMemoryStandsInForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil, link("abc", "https://example.com/"))
		r.want("/abc", 302)
		r.stop(false)
		time.Sleep(24 * time.Hour)
		r.want("/abc", 302)
		time.Sleep(time.Minute)
		r.want("/abc", 503)
	})
}

func TestALateAnswerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil)
		r.api.put(link("abc", "https://example.com/"))
		r.api.takes.Store(int64(500 * time.Millisecond))
		r.want("/abc", 503)
		time.Sleep(time.Second)
		r.want("/abc", 302)
		if n := r.api.calls(); n != 1 {
			t.Errorf("the api was asked %d times, want 1", n)
		}
	})
}

// An api under load is slow with everybody, and is not taken for one that hangs.
func TestAnAPIThatAnswersOthersIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil)
		r.api.put(everyLink()...)
		r.api.takes.Store(int64(400 * time.Millisecond))
		var failed int
		r.shards.setDown(true)
		count := func(_ string, resp *fasthttp.Response, _ time.Duration) {
			if resp.StatusCode() != 302 {
				failed++
			}
		}
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				resp, took := r.visit("192.0.2.7", fmt.Sprintf("/cold%d", i))
				// Nothing was heard from it before the first answers.
				if i >= 10 {
					count("", resp, took)
				}
			})
			time.Sleep(50 * time.Millisecond)
		}
		all.Wait()
		if failed > 0 {
			t.Errorf("%d of 40 were refused", failed)
		}
	})
}

func TestShardsThatFallDoNotFloodTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil, everyLink()...)
		r.shards.setDown(true)
		r.api.takes.Store(int64(30 * time.Millisecond))
		var all sync.WaitGroup
		var mu sync.Mutex
		counts := map[int]int{}
		for i := range 2000 {
			all.Go(func() {
				resp, took := r.visit("192.0.2.7", fmt.Sprintf("/cold%d", i))
				mu.Lock()
				defer mu.Unlock()
				counts[resp.StatusCode()]++
				if took > 200*time.Millisecond {
					t.Errorf("an answer after %v, want it within 200 ms", took)
				}
			})
		}
		all.Wait()
		if r.api.busiest != 32 {
			t.Errorf("%d calls of the api at once, want 32", r.api.busiest)
		}
		if counts[302] < 32 || counts[302]+counts[503] != 2000 {
			t.Errorf("answers: %v, want 302 for those who get in and 503 for the rest", counts)
		}
	})
}

// A flood from one address takes two calls of the api at a time, whatever it asks for, and others do not
// notice it.
func TestALimitedAddressHasANarrowLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, func(c *Config) { c.Limits.UnknownRate = 0.1 })
		r.api.put(link("abc", "https://example.com/"))
		const flooder = "198.51.100.1"
		for i, status := 0, 404; status == 404; i++ {
			resp, _ := r.visit(flooder, fmt.Sprintf("/x%d", i))
			status = resp.StatusCode()
		}
		r.api.busiest = 0
		var all sync.WaitGroup
		for i := range 500 {
			all.Go(func() {
				if resp, _ := r.visit(flooder, fmt.Sprintf("/y%d", i)); resp.StatusCode() != 429 {
					t.Errorf("status = %d, want 429", resp.StatusCode())
				}
			})
		}
		synctest.Wait()
		if r.api.busiest > 2 {
			t.Errorf("the flood had %d calls of the api under way at once, want 2", r.api.busiest)
		}
		r.want("/abc", 302)
		all.Wait()
		r.Invalidate(shortener.Ref{Code: "abc"})
		if resp, _ := r.visit(flooder, "/abc"); resp.StatusCode() != 302 {
			t.Errorf("a link that exists: status = %d, want 302", resp.StatusCode())
		}
	})
}
