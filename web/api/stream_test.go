package api_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"snowlink/shortener"
	"snowlink/web/api"
)

// follower reads the events of a stream.
type follower struct {
	t      *testing.T
	resp   *http.Response
	lines  *bufio.Reader
	leave  context.CancelFunc
	events chan sse
}

type sse struct{ name, id, data string }

// follow opens a stream on a server of its own, and reads it until the test ends.
func (w *world) follow(t *testing.T, query string, headers ...string) *follower {
	t.Helper()
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/clicks/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+reader)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, resp: resp, lines: bufio.NewReader(resp.Body), leave: leave, events: make(chan sse, 10_000)}
	go f.read()
	return f
}

func (f *follower) read() {
	defer f.resp.Body.Close()
	defer close(f.events)
	var e sse
	for {
		line, err := f.lines.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				f.events <- e
			}
			e = sse{}
		}
	}
}

// next waits for an event.
func (f *follower) next() sse {
	f.t.Helper()
	select {
	case e, ok := <-f.events:
		if !ok {
			f.t.Fatal("the stream has ended")
		}
		return e
	case <-time.After(20 * time.Second):
		f.t.Fatal("no event comes")
	}
	return sse{}
}

// click waits for a click of that code.
func (f *follower) click(code string) sse {
	f.t.Helper()
	e := f.next()
	if e.name != "click" || !strings.Contains(e.data, `"code":"`+code+`"`) {
		f.t.Fatalf("event %+v, want a click of %s", e, code)
	}
	return e
}

func clickOf(code string, at time.Time, change ...func(*shortener.StoredClick)) shortener.StoredClick {
	c := shortener.StoredClick{Click: shortener.Click{Ref: shortener.Ref{Code: code}, At: at, Country: "GB"}, Browser: "Firefox"}
	for _, f := range change {
		f(&c)
	}
	return c
}

func TestClicksAreToldOfAsTheyCome(t *testing.T) {
	w := newWorld(t)
	w.clicks.add(clickOf("before", noon.Add(-time.Second)))
	f := w.follow(t, "")
	if got := f.resp.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	w.clicks.add(clickOf("second", noon.Add(2*time.Second)), clickOf("first", noon.Add(time.Second)))
	first, second := f.click("first"), f.click("second")
	if first.id == second.id || !strings.HasPrefix(first.id, "1") {
		t.Errorf("ids %q and %q, want two that begin with the time", first.id, second.id)
	}
	w.clicks.add(clickOf("late", noon.Add(-20*time.Second)))
	f.click("late")
}

func TestAStreamTellsOfWhatItsFiltersSelect(t *testing.T) {
	w := newWorld(t)
	f := w.follow(t, "?country=-US&bots=exclude")
	w.clicks.add(
		clickOf("american", noon, func(c *shortener.StoredClick) { c.Country = "US" }),
		clickOf("robot", noon, func(c *shortener.StoredClick) { c.Bot = "search" }),
		clickOf("wanted", noon))
	f.click("wanted")
}

func TestWhoComesBackIsToldWhatCameMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.clicks.add(clickOf("seen", noon.Add(-20*time.Minute)), clickOf("missed", noon.Add(-19*time.Minute)), clickOf("last", noon.Add(-time.Second)))
	f := w.follow(t, "", "Last-Event-ID", "1795434000000.edge1-1") // 11:40
	f.click("seen")                                                // within the overlap
	f.click("missed")
	f.click("last")
	w.clicks.add(clickOf("new", noon))
	f.click("new") // and not what was told of already
}

func TestAStreamSaysThatTheClickStoreIsAway(t *testing.T) {
	w := newWorld(t)
	f := w.follow(t, "")
	w.clicks.setDown(errors.New("gone"))
	if e := f.next(); e.name != "unavailable" {
		t.Errorf("event %+v, want unavailable", e)
	}
	w.clicks.setDown(nil)
	if e := f.next(); e.name != "available" {
		t.Errorf("event %+v, want available", e)
	}
	w.clicks.add(clickOf("after", noon))
	f.click("after")
}

func TestAStreamThatIsEndedIsWhole(t *testing.T) {
	w := newWorld(t)
	f := w.follow(t, "")
	w.api.EndStreams()
	for range f.events {
		t.Error("an event after the end")
	}
	w.get("/api/v1/clicks/stream").problem(503, "unavailable")
}

func TestStreamsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/clicks/stream?range=7d").problem(422, "invalid-range")
	w.get("/api/v1/clicks/stream?from=2026-01-01").problem(422, "invalid-range")
	w.call(http.MethodGet, "/api/v1/clicks/stream", reader, "", "Last-Event-ID", "yesterday").problem(422, "invalid-event-id")
	w.call(http.MethodGet, "/api/v1/clicks/stream", "", "").problem(401, "unauthorized")
	w.call(http.MethodHead, "/api/v1/clicks/stream", reader, "").status(200)
}

// A viewer who does not read is told that something was left out, and holds nobody up.
func TestAViewerWhoDoesNotReadHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *api.Config) { c.Now = time.Now })
		defer w.api.EndStreams()
		lazy, keen := &recorder{pause: make(chan struct{})}, &recorder{}
		for _, r := range []*recorder{lazy, keen} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/clicks/stream", nil)
			req.Header.Set("Authorization", "Bearer "+reader)
			go w.api.ServeHTTP(r, req)
		}
		time.Sleep(time.Second)
		for range 500 {
			w.clicks.add(clickOf("a", time.Now()), clickOf("a", time.Now()))
			time.Sleep(time.Second)
		}
		if n := strings.Count(keen.text(), "event: click"); n != 1000 {
			t.Errorf("who reads is told of %d clicks, want 1000", n)
		}
		close(lazy.pause)
		time.Sleep(time.Second)
		if n := strings.Count(lazy.text(), "event: click"); n == 0 || n > 300 || !strings.Contains(lazy.text(), "event: skipped") {
			t.Errorf("who did not read is told of %d clicks, want 256 and that some were skipped", n)
		}
	})
}

// recorder is a client in memory, which may take its time.
type recorder struct {
	pause chan struct{} // nil: it does not wait
	mu    sync.Mutex
	body  strings.Builder
	head  http.Header
}

func (r *recorder) Header() http.Header {
	if r.head == nil {
		r.head = http.Header{}
	}
	return r.head
}

func (r *recorder) WriteHeader(int) {}
func (r *recorder) Flush()          {}

func (r *recorder) Write(b []byte) (int, error) {
	if r.pause != nil && strings.HasPrefix(string(b), "event") {
		<-r.pause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.Write(b)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.String()
}
