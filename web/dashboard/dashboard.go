package dashboard

import (
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"time"
)

//go:embed templates
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Config says what a Dashboard is made of. API, BaseURL and SessionKey are required.
type Config struct {
	API        http.Handler     // the REST interface
	BaseURL    string           // of short URLs
	SessionKey []byte           // 32 bytes: seals sessions, the same in every process of an installation
	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: slog.Default
}

// Dashboard answers /app. Make one with New. It is safe for concurrent use.
type Dashboard struct {
	config   Config
	sessions *sessions
	assets   *assets
	pages    *pages
	handler  http.Handler
	log      *slog.Logger
	now      func() time.Time
}

// New returns a dashboard. It panics if what is embedded is broken, which a test would have found.
func New(config Config) (*Dashboard, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	d := &Dashboard{config: config, log: config.Logger, now: config.Now}
	var err error
	if d.sessions, err = newSessions(config.SessionKey, config.Now); err != nil {
		return nil, err
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	if d.assets, err = newAssets(static); err != nil {
		return nil, err
	}
	if d.pages, err = newPages(templateFiles, d.assets); err != nil {
		return nil, err
	}
	d.handler = d.protect(d.routes())
	return d, nil
}

// ServeHTTP answers one request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

func (d *Dashboard) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /app/static/", d.assets)
	mux.HandleFunc("GET /app/login", d.showLogin)
	mux.HandleFunc("POST /app/login", d.login)
	mux.HandleFunc("POST /app/logout", d.logout)
	for pattern, screen := range map[string]screen{
		"GET /app/{$}":                   d.links,
		"POST /app/links":                d.createLink,
		"GET /app/links/{code}":          d.link,
		"POST /app/links/{code}":         d.editLink,
		"GET /app/links/{code}/qr.svg":   d.qr("svg"),
		"GET /app/links/{code}/qr.png":   d.qr("png"),
		"POST /app/links/{code}/delete":  d.deleteLink,
		"POST /app/links/{code}/restore": d.restoreLink,
		"GET /app/analytics":             d.analytics,
		"GET /app/export":                d.export,
		"GET /app/live":                  d.live,
		"GET /app/live/events":           d.events,
		"GET /app/system":                d.system,
		"POST /app/keys":                 d.createKey,
		"POST /app/keys/{id}/revoke":     d.revokeKey,
	} {
		mux.Handle(pattern, d.withSession(screen))
	}
	mux.Handle("/app/", d.withSession(d.notFound))
	mux.Handle("GET /app", http.RedirectHandler("/app/", http.StatusSeeOther))
	return mux
}

// policy lets a page load what is the dashboard's own, and nothing be put inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect sets what every answer has, and refuses forms that other sites send.
func (d *Dashboard) protect(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This form was sent by another site. Nothing was done.", http.StatusForbidden)
	}))
	next = guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
