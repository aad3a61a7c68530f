package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"snowlink/shortener"
	"snowlink/web/api"
)

// world is an API with working stores behind it, at a time that stands still unless it is moved.
type world struct {
	t        testing.TB
	api      *api.API
	store    *memory
	clicks   *clicks
	logs     *bytes.Buffer
	registry *prometheus.Registry

	mu  sync.Mutex
	now time.Time
}

// The secrets of the keys that a world begins with.
const (
	owner  = "slk_owner0000000000000000000000000"
	editor = "slk_editor000000000000000000000000"
	reader = "slk_reader000000000000000000000000"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

type saltOf struct{}

func (saltOf) Salt(_ context.Context, day string) ([]byte, error) {
	return []byte("salt of " + day), nil
}

type audits struct{ err error }

func (a audits) VerifyEvents(context.Context) (api.Report, error) {
	return api.Report{OK: true, Checked: 3}, a.err
}

func (a audits) ReplayEvents(context.Context) (api.Report, error) {
	return api.Report{OK: true, Checked: 3}, a.err
}

func (a audits) VerifyClicks(context.Context) (api.Report, error) {
	return api.Report{OK: false, Checked: 5, Faults: []string{"one click is there twice"}}, a.err
}

func newWorld(t testing.TB, change ...func(*api.Config)) *world {
	t.Helper()
	w := &world{t: t, store: newMemory(), clicks: &clicks{}, logs: &bytes.Buffer{}, registry: prometheus.NewRegistry(), now: noon}
	codes, err := shortener.NewCodes(0, bytes.Repeat([]byte{7}, 32), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	service := shortener.NewService(shortener.ServiceConfig{
		Log: w.store, Codes: codes, Targets: shortener.NewTargets([]string{"sho.rt"}), Domains: []string{"go.example.org"},
		DefaultDomain: "sho.rt", Now: w.clock,
	})
	for secret, role := range map[string]shortener.Role{owner: shortener.RoleOwner, editor: shortener.RoleEditor, reader: shortener.RoleReader} {
		w.addKey(secret, role, func(*shortener.APIKey) {})
	}
	config := api.Config{
		Links: service, List: w.store, Clicks: w.clicks, Keys: w.store, Audit: audits{}, Salts: saltOf{},
		Pending: func(context.Context) int64 { return 4 }, BaseURL: "https://sho.rt", DefaultDomain: "sho.rt",
		CursorKey: []byte("cursor key"), ClusterSecret: "cluster secret", Now: w.clock,
		Logger: slog.New(slog.NewJSONHandler(&lockedWriter{w: w.logs}, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: w.registry,
	}
	for _, f := range change {
		f(&config)
	}
	w.api = api.New(config)
	return w
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (w *world) addKey(secret string, role shortener.Role, change func(*shortener.APIKey)) {
	k := shortener.APIKey{ID: "key_" + string(role), Name: string(role), Role: role, Hash: sha256.Sum256([]byte(secret)), Hint: secret[len(secret)-4:], CreatedAt: noon}
	change(&k)
	if err := w.store.CreateKey(context.Background(), k); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// answer is a response whose body was read.
type answer struct {
	t testing.TB
	*http.Response
	body []byte
}

// headers are pairs of name and value.
func (w *world) call(method, path, key, body string, headers ...string) *answer {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, r)
	return &answer{w.t, recorder.Result(), recorder.Body.Bytes()}
}

func (w *world) get(path string) *answer {
	w.t.Helper()
	return w.call(http.MethodGet, path, reader, "")
}

func (w *world) post(path, body string, headers ...string) *answer {
	w.t.Helper()
	return w.call(http.MethodPost, path, editor, body, headers...)
}

// make makes a link and returns it.
func (w *world) make(body string) api.Link {
	w.t.Helper()
	return decode[api.Link](w.post("/api/v1/links", body).status(201))
}

func (a *answer) status(want int) *answer {
	a.t.Helper()
	if a.StatusCode != want {
		a.t.Fatalf("status is %d, want %d: %.500s", a.StatusCode, want, a.body)
	}
	return a
}

func (a *answer) header(name, want string) *answer {
	a.t.Helper()
	if got := a.Header.Get(name); got != want {
		a.t.Errorf("%s is %q, want %q", name, got, want)
	}
	return a
}

// problem checks that the answer is a problem, whole and of that status and slug.
func (a *answer) problem(status int, slug string) api.Problem {
	a.t.Helper()
	a.status(status).header("Content-Type", "application/problem+json")
	p := decode[api.Problem](a)
	if want := "/api/problems/" + slug; p.Type != want {
		a.t.Errorf("type is %q, want %q: %s", p.Type, want, a.body)
	}
	if p.Status != status || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") {
		a.t.Errorf("problem is not whole: %s", a.body)
	}
	return p
}

func decode[T any](a *answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("decode %q: %v", a.body, err)
	}
	return v
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// click is a person's click of a code of the default domain.
func click(code string, at time.Time, change ...func(*shortener.StoredClick)) shortener.StoredClick {
	c := shortener.StoredClick{Click: shortener.Click{At: at, Ref: shortener.Ref{Code: code}, Visitor: 1, Country: "SE"}}
	for _, f := range change {
		f(&c)
	}
	return c
}
