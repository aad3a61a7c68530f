package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"snowlink/shortener"
)

// call is what is known of a request while it is answered. One goroutine at a time has it.
type call struct {
	id        string
	key       shortener.APIKey // zero before a key was found
	presented bool             // a key was, though perhaps a wrong one
	err       error            // what went wrong, for the log
	answer    http.Header      // of the response
	paid      int              // tokens of the key's limit
}

type callKey struct{}

// callOf returns the call of a request's context: an empty one outside of a request.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{answer: http.Header{}}
}

// actor returns who makes the call, for histories.
func actor(ctx context.Context) string { return callOf(ctx).key.ID }

// observe gives every request an id, and writes the one line and the metrics that remain of it.
func (a *API) observe(c *gin.Context) {
	start := time.Now()
	k := &call{id: requestID(c.Request.Header), answer: c.Writer.Header()}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), callKey{}, k))
	c.Header("X-Request-Id", k.id)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-store")
	finished := false
	defer func() {
		var cut any
		if !finished {
			cut = a.recover(c, k, recover())
		}
		a.finish(c, k, time.Since(start))
		if cut != nil {
			panic(cut)
		}
	}()
	c.Next()
	finished = true
}

// recover answers a panic with 500. It returns what is to be panicked with again: an answer that has
// begun can only be cut off.
func (a *API) recover(c *gin.Context, k *call, cause any) any {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return cause
	}
	a.log.Error("panic while serving", "request", k.id, "panic", cause, "stack", string(debug.Stack()))
	if c.Writer.Written() {
		return http.ErrAbortHandler
	}
	writeProblem(c, errors.New("panic"))
	return nil
}

func (a *API) finish(c *gin.Context, k *call, took time.Duration) {
	route, status := c.FullPath(), c.Writer.Status()
	if route == "" {
		route = "unmatched"
	}
	a.metrics.observe(route, c.Request.Method, status, took)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	} else if strings.HasPrefix(route, "/internal/") {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("request", k.id), slog.String("method", c.Request.Method), slog.String("route", route),
		slog.Int("status", status), slog.Duration("took", took), slog.String("key", k.key.ID),
	}
	if status >= 500 && k.err != nil {
		attrs = append(attrs, slog.Any("error", cause(k.err)))
	}
	a.log.LogAttrs(c.Request.Context(), level, "api call", attrs...)
}

// cause returns the text of err with the reason behind the sentence that callers see.
func cause(err error) string {
	if p, ok := errors.AsType[*shortener.Problem](err); ok && p.Unwrap() != nil {
		return err.Error() + ": " + p.Unwrap().Error()
	}
	return err.Error()
}

// requestID takes the caller's id if it may stand in a log, the trace it belongs to, or draws one.
func requestID(h http.Header) string {
	if id := h.Get("X-Request-Id"); id != "" && len(id) <= 64 && strings.Trim(id, idBytes) == "" {
		return id
	}
	if parts := strings.Split(h.Get("Traceparent"), "-"); len(parts) == 4 && len(parts[1]) == 32 && strings.Trim(parts[1], "0123456789abcdef") == "" {
		return parts[1]
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

const idBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:"

// ClientHeader carries the address of the client from the gateway, which takes off whatever a client
// says of itself in it.
const ClientHeader = "X-Snowlink-Client"

// clientOf returns what the limit of wrong keys is kept by: an IPv4 address, or the /64 that an IPv6
// one is of, all of which belongs to one customer.
func clientOf(header, remote string) string {
	text := header
	if text == "" {
		text = remote
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}

// limitTime gives a call its deadline, if its operation has one.
func (a *API) limitTime(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().Metadata[unhurried] != nil {
		next(ctx)
		return
	}
	limited, cancel := context.WithTimeout(ctx.Context(), a.config.Limits.Timeout)
	defer cancel()
	next(huma.WithContext(ctx, limited))
}
