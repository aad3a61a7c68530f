// Package gateway takes requests from the edge to the roles behind it: route, registry, balancer, breaker,
// proxy.
//
// It promises:
//
//   - a request reaches one instance at most once, unless it is a GET or HEAD, or nothing of it was
//     sent: those are tried on another instance;
//   - an instance that hangs holds up neither who comes after nor, for longer than a second or two, a GET or
//     HEAD that waits for it: such a request goes on to another instance. What is tried again is bounded
//     by a share of all calls;
//   - when no instance answers, the client gets 503 with Retry-After, never an invented success. If
//     the request was sent and its answer is missing, the answer says so;
//   - bodies stream both ways. A request's is cut off at MaxBody; a response that streams may take as long
//     as it likes, but not be silent for longer than the idle time;
//   - what is between two hops stays there, and headers X-Snowlink-… come from the gateway alone.
//
// The server in front must have made ctx.RemoteAddr the client's address, and have taken off the
// X-Forwarded-… of those it does not trust; package edge does.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"snowlink/infra/balancer"
	"snowlink/infra/breaker"
	"snowlink/infra/registry"
)

// Directory lists the instances of a service. A list is never changed: another list is another slice.
type Directory interface {
	Instances() []registry.Instance
}

// Route says where paths go that are Prefix, or begin with it and a slash.
type Route struct {
	Prefix  string
	Service string
	Stream  bool // responses may take as long as they like
}

// Routes is where paths go by default. The first that fits counts.
var Routes = []Route{
	{Prefix: "/api/v1/clicks/export", Service: "api", Stream: true},
	{Prefix: "/api/v1/clicks/stream", Service: "api", Stream: true},
	{Prefix: "/api/v1/admin", Service: "api", Stream: true},
	{Prefix: "/api", Service: "api"},
	{Prefix: "/app/live/events", Service: "api", Stream: true},
	{Prefix: "/app/export", Service: "api", Stream: true},
	{Prefix: "/app", Service: "api"},
}

// Config says what a gateway leads to. Services is required, the zero value of the other fields selects
// their defaults.
type Config struct {
	Services map[string]Directory
	Routes   []Route // Routes
	Secret   string  // proves calls of /internal to come from the cluster

	Dial    func(ctx context.Context, addr string) (net.Conn, error) // nil: TCP
	Connect time.Duration                                            // 1 s, for a connection
	Timeout time.Duration                                            // 30 s, for a request and its response
	Hedge   time.Duration                                            // 50 ms, after which an internal call is made at a second instance too
	Idle    time.Duration                                            // 60 s, for the next part of a stream
	MaxBody int64                                                    // 10 MiB, of a request

	Balancer balancer.Config
	Breaker  breaker.Config // OpenFor 1 s, PermitDeadline 2 s
	Retries  balancer.BudgetConfig

	BaseURL string                // of problem types
	Logger  *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: not registered
}

// Gateway proxies requests. Make one with New. It is safe for concurrent use.
type Gateway struct {
	config  Config
	pools   map[string]*pool
	log     *slog.Logger
	metrics *metrics
}

// New returns a gateway. It dials nothing until there is a request.
func New(config Config) *Gateway {
	if config.Routes == nil {
		config.Routes = Routes
	}
	if config.Dial == nil {
		dialer := &net.Dialer{}
		config.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		}
	}
	config.Connect = or(config.Connect, time.Second)
	config.Timeout = or(config.Timeout, 30*time.Second)
	config.Hedge = or(config.Hedge, 50*time.Millisecond)
	config.Idle = or(config.Idle, 60*time.Second)
	config.Breaker.OpenFor = or(config.Breaker.OpenFor, time.Second)
	config.Breaker.PermitDeadline = or(config.Breaker.PermitDeadline, 2*time.Second)
	if config.MaxBody <= 0 {
		config.MaxBody = 10 << 20
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	g := &Gateway{config: config, pools: map[string]*pool{}, log: config.Logger, metrics: newMetrics(config.Metrics)}
	for name, directory := range config.Services {
		g.pools[name] = newPool(name, directory, &g.config)
	}
	return g
}

func or(given, otherwise time.Duration) time.Duration {
	if given <= 0 {
		return otherwise
	}
	return given
}

// Close drops the connections that are idle. Call it after the last request.
func (g *Gateway) Close() {
	for _, p := range g.pools {
		p.close()
	}
}

// Status returns what is known of the instances of each service.
func (g *Gateway) Status() map[string][]balancer.Status {
	all := map[string][]balancer.Status{}
	for name, p := range g.pools {
		p.sync()
		all[name] = p.balancer.Status()
	}
	return all
}

// Handler answers one request by way of an instance. It is a fasthttp.RequestHandler.
func (g *Gateway) Handler(ctx *fasthttp.RequestCtx) {
	// The path as it was sent: what is normalized here and not there could lead elsewhere.
	path := string(ctx.URI().PathOriginal())
	route, ok := g.route(path)
	p := g.pools[route.Service]
	if !ok || p == nil {
		g.problem(ctx, fasthttp.StatusNotFound, "not-found", "There is nothing at this address.")
		return
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	body := g.copyRequest(ctx, req, path)
	stream := route.Stream || strings.Contains(string(ctx.Request.Header.Peek("Accept")), "text/event-stream")
	on := terms{patience: g.config.Timeout, tried: &tried{}}
	if stream {
		on.patience = 0
	}
	err := p.do(req, resp, body, on)
	fasthttp.ReleaseRequest(req)
	if err != nil {
		fasthttp.ReleaseResponse(resp)
		g.fail(ctx, route.Service, body, err)
		return
	}
	g.metrics.count(route.Service, "answered")
	g.copyResponse(ctx, resp)
}

func (g *Gateway) route(path string) (Route, bool) {
	for _, r := range g.config.Routes {
		if rest, ok := strings.CutPrefix(path, r.Prefix); ok && (rest == "" || rest[0] == '/') {
			return r, true
		}
	}
	return Route{}, false
}

// fail answers for an instance that has not.
func (g *Gateway) fail(ctx *fasthttp.RequestCtx, service string, body *requestBody, err error) {
	switch {
	case body.tooLarge():
		g.metrics.count(service, "too_large")
		ctx.SetConnectionClose()
		g.problem(ctx, fasthttp.StatusRequestEntityTooLarge, "too-large", "The request body is larger than is accepted here.")
		return
	case body.broken():
		g.metrics.count(service, "aborted")
		ctx.SetConnectionClose()
		g.problem(ctx, fasthttp.StatusBadRequest, "bad-request", "The request body ended too early.")
		return
	}
	g.metrics.count(service, "unavailable")
	g.log.Warn("no answer from behind the gateway", "service", service, "error", err)
	detail := "The service cannot be reached at the moment. Nothing was done."
	var sent *sentError
	if errors.As(err, &sent) && !ctx.IsGet() && !ctx.IsHead() {
		detail = "The service did not answer, and whether the request took effect is not known. " +
			"Look before you repeat it, or repeat it with the same Idempotency-Key."
	}
	ctx.Response.Header.Set("Retry-After", "1")
	g.problem(ctx, fasthttp.StatusServiceUnavailable, "unavailable", detail)
}
