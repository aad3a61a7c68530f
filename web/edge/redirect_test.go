package edge

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"snowlink/infra/spool"
	"snowlink/shortener"
)

func TestLocationIsTheTargetByteForByte(t *testing.T) {
	for _, target := range []string{
		"https://example.com/a?b=c",
		"https://example.com/a/../b//c/./d",
		"https://example.com/%7Euser/%2F%2e%2E?q=%20+%2B#frag%20ment",
		"https://xn--bcher-kva.example/%C3%BC?x=%F0%9F%98%80",
		"https://example.com",
		"http://example.com:8080/?",
		"http://[2001:db8::1]:81/a;b=c?d&e#",
		"https://example.com/?a='\"\\|{}^`",
		"https://example.com/#?not=query",
		"https://example.com/" + strings.Repeat("long/", 1600),
	} {
		w := start(t, nil, link("abc", target))
		resp := w.get("/abc")
		w.wantStatus(resp, 302)
		if got := resp.Header.Get("Location"); got != target {
			t.Errorf("Location = %q, want %q", got, target)
		}
	}
}

func TestStatusesOfLinks(t *testing.T) {
	base := link("abc", "https://example.com/")
	tests := []struct {
		name     string
		change   func(*shortener.Record)
		status   int
		location string
		cache    string
		clicks   int
	}{
		{"active", func(*shortener.Record) {}, 302, base.Target, "private, no-store", 1},
		{"moved permanently", func(r *shortener.Record) { r.RedirectStatus = 301 }, 301, base.Target, "private, max-age=90", 1},
		{"temporary, method kept", func(r *shortener.Record) { r.RedirectStatus = 307 }, 307, base.Target, "private, no-store", 1},
		{"permanent, method kept", func(r *shortener.Record) { r.RedirectStatus = 308 }, 308, base.Target, "private, max-age=90", 1},
		{"disabled", func(r *shortener.Record) { r.State = shortener.Disabled }, 404, "", "private, no-store", 0},
		{"deleted", func(r *shortener.Record) { r.State = shortener.Deleted }, 410, "", "private, no-store", 0},
		{"expiry is exclusive", func(r *shortener.Record) { r.ExpiresAt = noon }, 410, "", "private, no-store", 0},
		{"one tick before expiry", func(r *shortener.Record) { r.ExpiresAt = noon.Add(1) }, 302, base.Target, "private, no-store", 1},
		{"not begun", func(r *shortener.Record) { r.StartsAt = noon.Add(1) }, 404, "", "private, no-store", 0},
		{"begins now", func(r *shortener.Record) { r.StartsAt = noon }, 302, base.Target, "private, no-store", 1},
		{
			"expired with a fallback",
			func(r *shortener.Record) {
				r.ExpiresAt, r.FallbackURL, r.RedirectStatus = noon, "https://example.com/over", 301
			},
			302, "https://example.com/over", "private, no-store", 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := base
			tt.change(&r)
			w := start(t, nil, r)
			for _, method := range []string{"GET", "HEAD"} {
				resp := w.ask("192.0.2.7", method, "/abc")
				w.wantStatus(resp, tt.status)
				if got := resp.Header.Get("Location"); got != tt.location {
					t.Errorf("%s: Location = %q, want %q", method, got, tt.location)
				}
				if got := resp.Header.Get("Cache-Control"); got != tt.cache {
					t.Errorf("%s: Cache-Control = %q, want %q", method, got, tt.cache)
				}
				if body := bodyOf(resp); method == "HEAD" && body != "" {
					t.Errorf("HEAD has the body %q", body)
				}
			}
			clicks := w.clicks.all()
			if len(clicks) != 2*tt.clicks {
				t.Fatalf("%d clicks, want %d", len(clicks), 2*tt.clicks)
			}
			if tt.clicks > 0 && (clicks[0].Head || !clicks[1].Head) {
				t.Errorf("Head of GET and HEAD = %v and %v", clicks[0].Head, clicks[1].Head)
			}
		})
	}
}

func TestPathsThatAreNoLinks(t *testing.T) {
	w := start(t, nil)
	tests := []struct {
		method, path string
		status       int
		contentType  string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/livez", 200, "text/plain; charset=utf-8"},
		{"HEAD", "/livez", 200, "text/plain; charset=utf-8"},
		{"GET", "/robots.txt", 200, "text/plain; charset=utf-8"},
		{"GET", "/favicon.ico", 200, "image/x-icon"},
		{"GET", "/favicon.svg", 200, "image/svg+xml"},
		{"GET", "/readyz", 404, ""},
		{"GET", "/metrics", 404, ""},
		{"GET", "/internal/resolve?code=abc", 404, ""},
		{"GET", "/internal", 404, ""},
		{"GET", "/api/../internal/salt", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"GET", "/.well-known/security.txt", 404, ""},
		{"GET", "/abc/def", 404, ""},
		{"GET", "/abc/", 404, ""},
		{"GET", "/abc.php", 404, ""},
		{"GET", "/%00", 404, ""},
		{"GET", "/" + strings.Repeat("a", 65), 404, ""},
		{"GET", "/" + strings.Repeat("a", 65) + "+", 404, ""},
		{"POST", "/abc", 405, ""},
		{"DELETE", "/abc", 405, ""},
		{"OPTIONS", "/abc", 405, ""},
	}
	for _, tt := range tests {
		resp := w.ask("192.0.2.7", tt.method, tt.path)
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s: status = %d, want %d", tt.method, tt.path, resp.StatusCode, tt.status)
		}
		if tt.contentType != "" && resp.Header.Get("Content-Type") != tt.contentType {
			t.Errorf("%s: Content-Type = %q, want %q", tt.path, resp.Header.Get("Content-Type"), tt.contentType)
		}
		if tt.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow = %q", tt.method, resp.Header.Get("Allow"))
		}
	}
	if n := w.shards.calls() + w.api.calls(); n != 0 {
		t.Errorf("%d lookups, want none for what cannot be a code", n)
	}
}

func TestPercentEncodedCodeIsTheSameCode(t *testing.T) {
	w := start(t, nil, link("a-_b", "https://example.com/"))
	w.wantStatus(w.get("/%61%2D%5fb"), 302)
}

func TestPreviewShowsWhereALinkLeadsAndCountsNothing(t *testing.T) {
	const target = `https://example.com/<b>"x"&y`
	w := start(t, nil, link("abc", target))
	resp := w.get("/abc+")
	w.wantStatus(resp, 200)
	body := bodyOf(resp)
	if !strings.Contains(body, "https://example.com/&lt;b&gt;&#34;x&#34;&amp;y") || strings.Contains(body, "<b>\"x") {
		t.Errorf("the page does not show the target, or not escaped:\n%s", body)
	}
	if got := resp.Header.Get("X-Robots-Tag"); got != "noindex" {
		t.Errorf("X-Robots-Tag = %q, want noindex", got)
	}
	if n := len(w.clicks.all()); n != 0 {
		t.Errorf("%d clicks, want none", n)
	}
	w.wantStatus(w.get("/unknown+"), 404)
}

func TestPagesMatchTheirPolicy(t *testing.T) {
	w := start(t, nil, link("abc", "https://example.com/"))
	for _, path := range []string{"/", "/nothing", "/abc+"} {
		resp := w.get(path)
		body := bodyOf(resp)
		_, rest, _ := strings.Cut(body, "<style>")
		style, _, found := strings.Cut(rest, "</style>")
		if want, _ := pageFiles.ReadFile("pages/page.css"); !found || style != string(want) {
			t.Errorf("%s: the style is not the one whose hash the policy names:\n%s", path, style)
		}
		if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy = %q", path, resp.Header.Get("Content-Security-Policy"))
		}
	}
}

func TestProgramsGetProblems(t *testing.T) {
	gone := link("gone", "https://example.com/")
	gone.State = shortener.Deleted
	w := start(t, nil, gone)
	for path, want := range map[string]string{"/nothing": "not-found", "/gone": "gone"} {
		resp := w.get(path, "Accept: application/json")
		if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type = %q", path, got)
		}
		if body := bodyOf(resp); !strings.Contains(body, `"type":"https://sn.example/problems/`+want+`"`) {
			t.Errorf("%s: body = %s", path, body)
		}
	}
	resp := w.get("/nothing", "Accept: text/html,application/json;q=0.9")
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("a browser gets %q", got)
	}
}

func TestForwardedQuery(t *testing.T) {
	r := link("abc", "https://example.com/a?b=c#d")
	r.ForwardQuery = true
	w := start(t, nil, r)
	resp := w.get("/abc?x=%20y&utm_source=n")
	if got, want := resp.Header.Get("Location"), "https://example.com/a?b=c&x=%20y&utm_source=n#d"; got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
}

func TestDomainsByHost(t *testing.T) {
	other := link("abc", "https://other.example/")
	other.Domain = "go.example"
	w := start(t, func(c *Config) {
		c.Domains = map[string]string{"go.example": "go.example"}
	}, link("abc", "https://default.example/"), other)
	for host, want := range map[string]string{
		"sn.example": "https://default.example/", "go.example": "https://other.example/",
		"GO.example:8080": "https://other.example/", "go.example.": "https://other.example/",
		"unheard.example": "https://default.example/",
	} {
		resp := w.send("192.0.2.7", "GET", "GET /abc HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("Host %s: Location = %q, want %q", host, got, want)
		}
	}
}

func TestALogThatRefusesCostsTheClickNotTheRedirect(t *testing.T) {
	w := start(t, nil, link("abc", "https://example.com/"))
	for _, err := range []error{spool.ErrFull, io.ErrClosedPipe} {
		w.clicks.err = err
		w.wantStatus(w.get("/abc"), 302)
	}
	if full, other := w.metrics.droppedFull.n.Load(), w.metrics.droppedError.n.Load(); full != 1 || other != 1 {
		t.Errorf("dropped for a full spool and for errors = %d, %d, want 1, 1", full, other)
	}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	w := start(t, nil, link("a", "https://a.example/"), link("b", "https://b.example/"))
	conn, err := w.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := func(p string) string { return "GET /" + p + " HTTP/1.1\r\nHost: sn.example\r\n\r\n" }
	if _, err := io.WriteString(conn, req("a")+req("b")+req("c")); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	for i, want := range []string{"https://a.example/", "https://b.example/", ""} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("response %d: Location = %q, want %q", i, got, want)
		}
	}
}

func TestHeaderTooLarge(t *testing.T) {
	w := start(t, nil)
	w.wantStatus(w.get("/abc", "X-Big: "+strings.Repeat("x", 20<<10)), 431)
}

func TestShutdownClosesIdleConnections(t *testing.T) {
	w := start(t, nil)
	conn, err := w.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	t.Cleanup(func() {
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("shutdown took %v with an idle connection", d)
		}
	})
}
