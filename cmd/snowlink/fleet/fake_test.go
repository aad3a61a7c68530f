package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"snowlink/infra/memnet"
)

// A fake is a service in a few lines, which does right unless it is spoiled.
type fake struct {
	mu    sync.Mutex
	links map[string][]version
	calls int

	spoil func(c call) bool // may answer itself, in the wrong way
}

// A call is a request to a fake.
type call struct {
	w http.ResponseWriter
	*http.Request
	n       int       // counts the calls
	url     string    // what an owner wants the link to lead to
	targets []version // of the link, the last one last
}

type version struct {
	target string
	at     time.Time
}

// startFake runs a fake, in memory, with the links that a book of as many seeds begins with.
func startFake(t *testing.T, seeds int, spoil func(call) bool) *lines {
	f := &fake{links: map[string][]version{}, spoil: spoil}
	for i := range seeds {
		f.links[seedCode(i)] = []version{{target: nthTarget(seedCode(i), 1)}}
	}
	ln := memnet.Listen(0)
	server := &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return &lines{address: "fake", key: "slk_any", dial: ln.Dial}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ URL string }
	if r.ContentLength > 0 {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	code := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	f.mu.Lock()
	f.calls++
	c := call{w, r, f.calls, body.URL, f.links[code]}
	f.mu.Unlock()
	if f.spoil != nil && f.spoil(c) {
		return
	}
	switch {
	case r.Method == http.MethodPost:
		code = fmt.Sprintf("made-%d", c.n)
		f.set(code, c.url)
		c.made(code)
	case r.Method == http.MethodPatch:
		f.set(code, c.url)
		c.link(http.StatusOK, code, c.url)
	case len(c.targets) == 0:
		c.w.WriteHeader(http.StatusNotFound)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		c.link(http.StatusOK, code, c.last())
	default:
		c.lead(c.last())
	}
}

func (f *fake) set(code, target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links[code] = append(f.links[code], version{target, time.Now()})
}

func (c call) visit() bool  { return !strings.HasPrefix(c.URL.Path, "/api/") }
func (c call) last() string { return c.targets[len(c.targets)-1].target }

func (c call) lead(target string) bool {
	c.w.Header().Set("Location", target)
	return c.say(http.StatusFound)
}

func (c call) say(status int) bool {
	c.w.WriteHeader(status)
	return true
}

func (c call) made(code string) bool { return c.link(http.StatusCreated, code, c.url) }

func (c call) link(status int, code, target string) bool {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(map[string]string{"code": code, "url": target})
	return true
}
