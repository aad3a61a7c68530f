package dashboard_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/web/api"
	"snowlink/web/dashboard"
)

const key = "slk_ownerowner0000000000000000000"

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// rest is a REST interface that answers what it is told to.
type rest struct {
	mu      sync.Mutex
	answers map[string]any // by "GET /links", or by the path alone
	calls   []*http.Request
	bodies  []string
}

func (s *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.bodies = append(s.calls, r), append(s.bodies, string(body))
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	out, ok := s.answers[r.Method+" "+path]
	if !ok {
		out, ok = s.answers[path]
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+key:
		out = &api.Problem{Status: 401, Title: "Unauthorized", Detail: "This API key is not valid."}
	case !ok:
		out = &api.Problem{Status: 404, Title: "Not Found", Detail: "There is no such thing."}
	}
	if p, refused := out.(*api.Problem); refused {
		w.WriteHeader(p.Status)
	}
	_ = json.NewEncoder(w).Encode(out)
}

// asked returns the calls of a path.
func (s *rest) asked(path string) (found []*http.Request) {
	for _, r := range s.calls {
		if r.URL.Path == "/api/v1"+path {
			found = append(found, r)
		}
	}
	return found
}

// browser keeps cookies, and follows nothing.
type browser struct {
	t       *testing.T
	rest    *rest
	site    http.Handler
	cookies []*http.Cookie
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	link := api.Link{Code: "spring", Domain: "sho.rt", ShortURL: "https://sho.rt/spring", URL: "https://example.com/", Status: "active", Tags: []string{"sale"}, CreatedAt: noon, Clicks: &api.LinkClicks{Total: 3, Humans: 2, Bots: 1}}
	s := &rest{answers: map[string]any{
		"/me": api.Key{ID: "key_1", Name: "first", Role: "owner"}, "/links": api.LinkPage{Links: []api.Link{link}}, "POST /links": link,
		"/links/spring": link, "DELETE /links/spring": nil, "PATCH /links/spring": link, "/links/spring/restore": link, "/links/spring/history": api.LinkHistory{Events: []api.LinkEvent{{Type: "link.created", At: noon, After: &link}}},
		"/analytics/summary":    api.Summary{Totals: shortener.Totals{Clicks: 1234, Humans: 1200, Bots: 34, Visitors: 900}, Pending: 7},
		"/analytics/timeseries": api.Series{Results: []api.SeriesBucket{{Start: noon, Totals: shortener.Totals{Clicks: 5, Humans: 4}}, {Start: noon.AddDate(0, 0, 1)}}, Meta: api.SeriesMeta{Interval: "day"}},
		"/analytics/heatmap":    heatmap(),
	}}
	for _, d := range shortener.Dimensions {
		s.answers["/analytics/breakdown/"+string(d)] = api.Breakdown{Results: []api.BreakdownRow{{Value: `<b>"x,y`, Totals: shortener.Totals{Clicks: 9}}, {Value: ""}}}
	}
	d, err := dashboard.New(dashboard.Config{API: s, BaseURL: "https://sho.rt", SessionKey: make([]byte, 32), Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, rest: s, site: d}
}

func heatmap() (h api.Heatmap) {
	for i := range 168 {
		h.Results = append(h.Results, api.HeatmapHour{Weekday: i/24 + 1, Hour: i % 24, Totals: shortener.Totals{Humans: int64(i)}})
	}
	return h
}

// open asks for a page, or sends a form.
func (b *browser) open(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Host = "localhost:8080"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.site.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies = slices.DeleteFunc(b.cookies, func(old *http.Cookie) bool { return old.Name == c.Name })
		if c.MaxAge >= 0 {
			b.cookies = append(b.cookies, c)
		}
	}
	return w
}

func (b *browser) login() {
	b.t.Helper()
	if w := b.open("POST", "/app/login", url.Values{"key": {" " + key + "\n"}}); w.Code != 303 || w.Header().Get("Location") != "/app/" {
		b.t.Fatalf("login: %d, to %q", w.Code, w.Header().Get("Location"))
	}
}

func (b *browser) see(path string, want ...string) string {
	b.t.Helper()
	w := b.open("GET", path, nil)
	if w.Code != 200 {
		b.t.Fatalf("GET %s: %d\n%s", path, w.Code, w.Body)
	}
	for _, text := range want {
		if !strings.Contains(w.Body.String(), text) {
			b.t.Errorf("GET %s does not show %q:\n%s", path, text, w.Body)
		}
	}
	return w.Body.String()
}

func TestWhoIsNotLoggedInIsLedToTheLoginAndBack(t *testing.T) {
	b := newBrowser(t)
	w := b.open("GET", "/app/analytics?code=spring", nil)
	if w.Code != 303 || w.Header().Get("Location") != "/app/login?next=%2Fapp%2Fanalytics%3Fcode%3Dspring" {
		t.Fatalf("got %d, to %q", w.Code, w.Header().Get("Location"))
	}
	b.see(w.Header().Get("Location"), `value="/app/analytics?code=spring"`)
	w = b.open("POST", "/app/login", url.Values{"key": {key}, "next": {"/app/analytics?code=spring"}})
	if w.Code != 303 || w.Header().Get("Location") != "/app/analytics?code=spring" {
		t.Errorf("after the login: %d, to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestALoginLeadsNobodyElsewhere(t *testing.T) {
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "/app/../../evil", "javascript:alert(1)", "evil", "/api/v1/links"} {
		b := newBrowser(t)
		w := b.open("POST", "/app/login", url.Values{"key": {key}, "next": {next}})
		if got := w.Header().Get("Location"); got != "/app/" {
			t.Errorf("next=%s leads to %q", next, got)
		}
	}
}

func TestAWrongKeyIsSaidSoAndIsNoSession(t *testing.T) {
	b := newBrowser(t)
	w := b.open("POST", "/app/login", url.Values{"key": {"slk_wrong"}})
	if w.Code != 401 || !strings.Contains(w.Body.String(), "not valid") || len(b.cookies) > 0 {
		t.Errorf("got %d with %d cookies:\n%s", w.Code, len(b.cookies), w.Body)
	}
}

func TestASessionIsAsSafeAsItsAddressAllows(t *testing.T) {
	for host, want := range map[string]string{"localhost:8080": "__Host-snowlink", "127.0.0.1": "__Host-snowlink", "sho.rt": "snowlink"} {
		b := newBrowser(t)
		r := httptest.NewRequest("POST", "/app/login", strings.NewReader("key="+key))
		r.Host = host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		b.site.ServeHTTP(w, r)
		c := w.Result().Cookies()[0]
		if c.Name != want || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != strings.HasPrefix(want, "__Host-") || strings.Contains(c.Value, "slk_") {
			t.Errorf("at %s the cookie is %v", host, c)
		}
	}
}

func TestASessionEnds(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.see("/app/", "spring")
	forged := *b.cookies[0]
	forged.Value = forged.Value[:len(forged.Value)-2] + "xx"
	kept := b.cookies
	b.cookies = []*http.Cookie{&forged}
	if w := b.open("GET", "/app/", nil); w.Code != 303 {
		t.Errorf("a forged session: %d, want 303", w.Code)
	}
	b.cookies = kept
	b.open("POST", "/app/logout", url.Values{})
	if w := b.open("GET", "/app/", nil); w.Code != 303 {
		t.Errorf("after the logout: %d, want 303", w.Code)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	b := newBrowser(t)
	b.login()
	w := b.open("POST", "/app/links/spring/delete", url.Values{}, "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || len(b.rest.asked("/links/spring")) > 0 {
		t.Errorf("got %d, want 403 and nothing done", w.Code)
	}
}

func TestALinkIsMadeDeletedAndHadBack(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.see("/app/?q=sale", "https://sho.rt/spring", "https://example.com/", `>2<`)
	w := b.open("POST", "/app/links", url.Values{"url": {"example.com/x"}, "code": {"spring"}, "tags": {"a, b,"}})
	if w.Code != 201 || !strings.Contains(w.Body.String(), `data-copy="https://sho.rt/spring"`) {
		t.Errorf("create: %d\n%s", w.Code, w.Body)
	}
	if body := b.rest.bodies[slices.IndexFunc(b.rest.calls, func(r *http.Request) bool { return r.Method == "POST" })]; body != `{"code":"spring","tags":["a","b"],"url":"https://example.com/x"}` {
		t.Errorf("the order is %s", body)
	}
	w = b.open("POST", "/app/links/spring/delete?domain=sho.rt", url.Values{})
	if w.Code != 303 {
		t.Fatalf("delete: %d", w.Code)
	}
	b.see(w.Header().Get("Location"), "Undo", `action="/app/links/spring/restore?domain=sho.rt"`)
	if w = b.open("POST", "/app/links/spring/restore?domain=sho.rt", url.Values{}); w.Code != 303 {
		t.Errorf("restore: %d", w.Code)
	}
}

func TestWhatIsWrongWithALinkIsShownBesideWhatWasTyped(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.rest.answers["POST /links"] = &api.Problem{Status: 409, Title: "Conflict", Detail: "The code spring is taken."}
	w := b.open("POST", "/app/links", url.Values{"url": {"https://example.com/typed"}, "code": {"spring"}})
	if body := w.Body.String(); w.Code != 409 || !strings.Contains(body, "is taken") || !strings.Contains(body, "https://example.com/typed") {
		t.Errorf("got %d:\n%s", w.Code, body)
	}
}

func TestAnalyticsShowsWhatTheInterfaceSays(t *testing.T) {
	b := newBrowser(t)
	b.login()
	page := b.see("/app/analytics?country=GB&tab_places=city&range=7d", "1,200", "900", "1,234", "7 clicks are still on their way", "&lt;b&gt;&#34;x,y", "4 clicks of people")
	if strings.Contains(page, `<b>"x`) {
		t.Error("a value is not escaped")
	}
	for _, path := range []string{"/analytics/summary", "/analytics/timeseries", "/analytics/heatmap", "/analytics/breakdown/city"} {
		calls := b.rest.asked(path)
		if len(calls) != 1 || calls[0].URL.Query().Get("country") != "GB" || calls[0].URL.Query().Get("range") != "7d" {
			t.Errorf("%s was asked %v", path, calls)
		}
	}
	if len(b.rest.asked("/analytics/breakdown/country")) > 0 {
		t.Error("a tab that is not shown was asked for")
	}
}

func TestAPartThatFailsTakesNoOtherWithIt(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.rest.answers["/analytics/heatmap"] = &api.Problem{Status: 503, Detail: "The click store is slow.", RequestID: "r-17"}
	b.see("/app/analytics", "The click store is slow.", "r-17", "1,234")
}

func TestTexts(t *testing.T) {
	b := newBrowser(t)
	b.login()
	w := b.open("GET", "/app/analytics", nil, "Accept-Language", "de-AT,de;q=0.9")
	if body := w.Body.String(); !strings.Contains(body, `lang="de"`) || !strings.Contains(body, "1.234") || !strings.Contains(body, "Auswertung") {
		t.Errorf("in German:\n%s", body)
	}
}
