package edge

import (
	"bytes"
	"errors"
	"net"
	"runtime/debug"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"snowlink/shortener"
)

// maxCode is the length of the longest code there can be.
const maxCode = 64

// readAhead is how much of a body is read before it is asked for.
const readAhead = 8 << 10

// serve answers one request. A panic is answered with 500: it must cost its own request and no other.
func (e *Edge) serve(ctx *fasthttp.RequestCtx) {
	defer e.recover(ctx)
	if e.draining.Load() {
		ctx.SetConnectionClose() // before the answer is made: one that has its own word on the connection says the same
	}
	path := view(ctx.Path())
	if len(path) > 1 && len(path) <= 1+maxCode && isCode(path[1:]) && !isReserved(path[1:]) {
		e.serveCode(ctx, path[1:], answerRedirect)
		return
	}
	e.serveOther(ctx, path)
}

// serveOther answers whatever is not a code: it is off the hot path.
func (e *Edge) serveOther(ctx *fasthttp.RequestCtx, path string) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	code, preview := strings.CutSuffix(name, "+")
	switch {
	case name == "api", name == "app":
		e.serveGateway(ctx)
	case rest != "" || strings.HasSuffix(path, "/") && path != "/":
		e.metrics.outcome(outcomeNotFound)
		e.pages.write(ctx, pageNotFound)
	case preview && len(code) <= maxCode && isCode(code) && !isReserved(code):
		e.serveCode(ctx, code, answerPreview)
	case !ctx.IsGet() && !ctx.IsHead():
		refuseMethod(ctx)
	case name == "livez":
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetBodyString("ok\n")
	default:
		if !e.pages.asset(ctx, name) {
			e.metrics.outcome(outcomeNotFound)
			e.pages.write(ctx, pageNotFound)
		}
	}
}

// serveGateway hands the request on. What a client that is not a trusted proxy says about its own
// address and scheme is taken off first, and the request's remote address becomes the client's.
func (e *Edge) serveGateway(ctx *fasthttp.RequestCtx) {
	length := ctx.Request.Header.ContentLength() // -1: chunked
	if int64(length) > e.limits.MaxBody {
		e.refuseBody(ctx)
		return
	}
	if e.config.Gateway == nil {
		e.pages.write(ctx, pageUnavailable)
		return
	}
	addr := e.client(ctx)
	if !e.fromProxy(ctx) {
		for _, name := range [...]string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
			ctx.Request.Header.Del(name)
		}
	}
	if addr.IsValid() {
		ctx.SetRemoteAddr(&net.TCPAddr{IP: addr.AsSlice()})
		// It would stay for the next request of the connection, which through a proxy is another visitor's.
		defer ctx.SetRemoteAddr(nil)
	}
	e.config.Gateway(ctx)
	if ctx.Response.StatusCode() >= 400 && (length == -1 || length > readAhead) {
		// The body may not have been read to its end.
		ctx.SetConnectionClose()
		linger(ctx)
	}
}

func (e *Edge) refuseBody(ctx *fasthttp.RequestCtx) {
	linger(ctx)
	ctx.SetConnectionClose()
	e.pages.problem(ctx, fasthttp.StatusRequestEntityTooLarge, "too-large", "The request body is larger than is accepted here.")
}

func refuseMethod(ctx *fasthttp.RequestCtx) {
	ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
	ctx.Response.Header.Set("Allow", "GET, HEAD")
}

// refuse answers a request that could not be read.
func (e *Edge) refuse(ctx *fasthttp.RequestCtx, err error) {
	linger(ctx)
	var tooBig *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &tooBig):
		e.pages.problem(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, "header-too-large", "The header of the request is too large.")
	case errors.As(err, &network) && network.Timeout():
		e.pages.problem(ctx, fasthttp.StatusRequestTimeout, "timeout", "The request did not arrive in time.")
	default:
		e.pages.problem(ctx, fasthttp.StatusBadRequest, "bad-request", "This is not a request that HTTP knows.")
	}
}

func (e *Edge) recover(ctx *fasthttp.RequestCtx) {
	if p := recover(); p != nil {
		e.log.Error("panic while serving", "panic", p, "stack", string(debug.Stack()))
		ctx.Response.Reset()
		ctx.SetConnectionClose()
		e.pages.problem(ctx, fasthttp.StatusInternalServerError, "internal", "Something went wrong here. It is not your fault.")
	}
}

// domain returns the domain that the request's host names.
func (e *Edge) domain(ctx *fasthttp.RequestCtx) string {
	if len(e.config.Domains) == 0 {
		return ""
	}
	host := ctx.Host() // lower case already
	if d, ok := e.config.Domains[view(host)]; ok {
		return d
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return e.config.Domains[view(bytes.TrimSuffix(host, []byte{'.'}))]
}

// isCode reports whether s has nothing but what codes are made of.
func isCode(s string) bool {
	for i := range len(s) {
		if !codeBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var codeBytes = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		t[c] = true
	}
	return t
}()

// isReserved reports whether s looks like a code and belongs to the service.
func isReserved(s string) bool {
	switch s {
	case "api", "app", "assets", "internal", "livez", "readyz", "metrics", "debug":
		return true
	}
	return false
}

// view returns b as a string that is valid for as long as b is not written to: until the end of the
// request, for what belongs to one.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s, which must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// refOf returns a ref that outlives the request.
func refOf(domain, code string) shortener.Ref {
	return shortener.Ref{Domain: domain, Code: strings.Clone(code)}
}
