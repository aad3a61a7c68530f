package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"snowlink/infra/ratelimit"
	"snowlink/shortener"
)

// Config is what an API is made of. Links, List, Clicks, Keys and BaseURL are required.
type Config struct {
	Links  *shortener.Service
	List   Lister
	Clicks ClickReader
	Keys   KeyStore
	Audit  Auditor     // nil: the calls of administration are not routed
	Salts  Salter      // nil: not routed
	Shards ShardKeeper // nil: the calls about link shards are not routed
	Locks  LockLister  // nil: not routed

	Installation string // its name, told to edges
	// Membership returns the link shards' membership and its epoch, for edges; nil: not routed.
	Membership func(ctx context.Context) (epoch uint64, body []byte, err error)

	Pending func(ctx context.Context) int64 // clicks answered and not yet in the click store; nil: 0

	BaseURL       string // of the default domain, without a slash at its end
	DefaultDomain string // what the default domain is called in links
	CursorKey     []byte // signs cursors; nil: one of this process, whose cursors end with it
	ClusterSecret string // what the other roles show; "": nobody is let to the internal routes
	Limits        Limits
	Calls         Limiter                       // of keys, by their ids; nil: Limits, in this process
	OwnCalls      func(ratelimit.Limit) Limiter // of keys with a limit of their own, one limiter a limit; nil: in this process
	WrongKeys     Limiter                       // by the address that shows them; nil: Limits, in this process

	Now     func() time.Time      // nil: time.Now
	Logger  *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: not registered
}

// Limits bound what a caller may cost. The zero value of each field selects its default.
type Limits struct {
	KeyRate       float64       // 1,000 calls a second of one key
	KeyBurst      int           // 2,000
	WrongKeyRate  float64       // 10 a minute, given a second: wrong keys from one address
	WrongKeyBurst int           // 50
	Remembered    int           // 100,000 keys, and as many addresses, are remembered at most
	MaxBody       int64         // 1 MiB
	MaxBatch      int64         // 9 MiB for a batch of links
	Timeout       time.Duration // 15 s for a call that is neither an export nor an audit
}

func (l *Limits) setDefaults() {
	setDefault(&l.KeyRate, 1000)
	setDefault(&l.KeyBurst, 2000)
	setDefault(&l.WrongKeyRate, 10.0/60)
	setDefault(&l.WrongKeyBurst, 50)
	setDefault(&l.Remembered, 100_000)
	setDefault(&l.MaxBody, 1<<20)
	setDefault(&l.MaxBatch, 9<<20)
	setDefault(&l.Timeout, 15*time.Second)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// API answers the REST interface. Make one with New. It is safe for concurrent use.
type API struct {
	config  Config
	keys    *keyring
	cursors cursors
	feed    *feed

	ownLimits sync.Map // limiters of keys with a limit of their own, by ratelimit.Limit

	metrics *metrics
	log     *slog.Logger
	now     func() time.Time

	router *gin.Engine
	huma   huma.API
}

// gin and huma keep these in package variables: they are set before anything is registered.
func init() {
	gin.SetMode(gin.ReleaseMode)
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return refusal(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return refuse(ctx, refusal(status, msg, errs), errs)
	}
}

// New returns the API with all its routes.
func New(config Config) *API {
	config.Limits.setDefaults()
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Pending == nil {
		config.Pending = func(context.Context) int64 { return 0 }
	}
	if config.CursorKey == nil {
		config.CursorKey = []byte(rand.Text())
	}
	config.BaseURL = strings.TrimRight(config.BaseURL, "/")
	config.setLimiters()
	a := &API{
		config:  config,
		keys:    newKeyring(config.Keys, config.Now),
		cursors: cursors{key: config.CursorKey},
		feed:    newFeed(config.Clicks, config.Logger, config.Now),
		metrics: newMetrics(config.Metrics),
		log:     config.Logger,
		now:     config.Now,
	}
	a.router = a.newRouter()
	a.huma = humagin.New(a.router, humaConfig())
	a.huma.UseMiddleware(a.limitTime, a.authenticate)
	a.routeLinks()
	a.routeAnalytics()
	a.routeHeatmap()
	a.routeQuery()
	a.routeExport()
	a.routeStream()
	a.routeKeys()
	a.routeAdmin()
	a.routeShards()
	a.routeLocks()
	a.routeInternal()
	a.routeDocs()
	return a
}

func (a *API) newRouter() *gin.Engine {
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.HandleMethodNotAllowed = true
	_ = r.SetTrustedProxies(nil) // the address comes in a header of our own: see clientOf
	r.Use(a.observe)
	r.NoRoute(func(c *gin.Context) {
		writeProblem(c, shortener.Errorf(shortener.NotFound, "There is nothing at this address."))
	})
	r.NoMethod(func(c *gin.Context) { writeRefusal(c, refusal(http.StatusMethodNotAllowed, "", nil)) })
	return r
}

// ServeHTTP answers one request. HEAD is answered as GET, whose body the server leaves out.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
		r.Method = http.MethodGet
	}
	a.router.ServeHTTP(w, r)
}

type headKey struct{}

// headOnly reports whether the body of an answer is left out.
func headOnly(ctx context.Context) bool { return ctx.Value(headKey{}) != nil }

// EndStreams ends the streams of clicks, which would hold a shutdown up. No other begins.
func (a *API) EndStreams() { a.feed.close() }
