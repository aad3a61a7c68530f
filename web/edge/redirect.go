package edge

import (
	"context"
	"log/slog"

	"github.com/valyala/fasthttp"

	"snowlink/infra/lru"
	"snowlink/shortener"
)

var (
	headerLocation     = []byte("Location")
	headerCacheControl = []byte("Cache-Control")

	cacheNever = []byte("private, no-store")
	// A permanent redirect that browsers kept for ever would hide every later click and edit.
	cachePermanent = []byte("private, max-age=90")
)

// An answer says what to do with a link that was found, and how much that is worth.
type answer func(*Edge, *fasthttp.RequestCtx, *shortener.Record, worth)

var (
	answerRedirect answer = (*Edge).redirect
	answerPreview  answer = (*Edge).preview
)

// serveCode answers a request for a code. On a hit it takes one look into memory and allocates
// nothing.
func (e *Edge) serveCode(ctx *fasthttp.RequestCtx, code string, answer answer) {
	if !ctx.IsGet() && !ctx.IsHead() {
		refuseMethod(ctx)
		return
	}
	domain := e.domain(ctx)
	var room [128]byte
	key := append(append(append(room[:0], domain...), '/'), code...) // as shortener.Ref.String
	en, state := e.cache.Get(view(key))
	if state != lru.Fresh {
		e.serveMiss(ctx, refOf(domain, code), answer)
		return
	}
	e.metrics.lookup(lookupFresh)
	if !en.known {
		e.serveUnknown(ctx)
		return
	}
	answer(e, ctx, &en.record, worth{})
}

// redirect sends the visitor to where the link leads now, and counts the click before that.
func (e *Edge) redirect(ctx *fasthttp.RequestCtx, r *shortener.Record, w worth) {
	now := e.now()
	query := view(ctx.URI().QueryString())
	d := r.Decide(now, query)
	if d.Outcome != shortener.Redirect {
		e.serveOver(ctx, d.Outcome, w)
		return
	}
	if !e.record(ctx, r.Ref, &d, query, now) {
		ctx.SetConnectionClose()
		e.serveUnavailable(ctx)
		return
	}
	h := &ctx.Response.Header
	// Not ctx.Redirect, which would resolve and re-encode the target.
	h.SetCanonical(headerLocation, bytesOf(d.Target))
	permanent := d.Status == fasthttp.StatusMovedPermanently || d.Status == fasthttp.StatusPermanentRedirect
	if permanent && !w.stale {
		h.SetCanonical(headerCacheControl, cachePermanent)
	} else {
		h.SetCanonical(headerCacheControl, cacheNever)
	}
	ctx.SetStatusCode(d.Status)
	if d.Rule == shortener.RuleFallback {
		e.metrics.outcome(outcomeFallback)
	} else {
		e.metrics.outcome(outcomeRedirect)
	}
	if n := e.config.LogEvery; n > 0 && e.sampled.Add(1)%n == 0 {
		e.logRedirect(r.Ref, d.Status, d.Rule)
	}
}

func (e *Edge) logRedirect(ref shortener.Ref, status int, rule string) {
	e.log.LogAttrs(context.Background(), slog.LevelInfo, "redirect",
		slog.String("domain", ref.Domain), slog.String("code", ref.Code),
		slog.Int("status", status), slog.String("rule", rule), slog.Uint64("one_in", e.config.LogEvery))
}

// serveOver answers for a link that leads nowhere now. What may be out of date cannot say so: the link may
// have been restored.
func (e *Edge) serveOver(ctx *fasthttp.RequestCtx, o shortener.Outcome, w worth) {
	switch {
	case w.stale:
		e.serveUnavailable(ctx)
	case o == shortener.Ended:
		e.metrics.outcome(outcomeGone)
		e.pages.write(ctx, pageGone)
	default:
		e.metrics.outcome(outcomeNotFound)
		e.pages.write(ctx, pageNotFound)
	}
}

func (e *Edge) serveUnavailable(ctx *fasthttp.RequestCtx) {
	e.metrics.outcome(outcomeUnavailable)
	e.pages.write(ctx, pageUnavailable)
}

// preview shows where the link leads. It is not counted.
func (e *Edge) preview(ctx *fasthttp.RequestCtx, r *shortener.Record, w worth) {
	d := r.Decide(e.now(), "")
	if d.Outcome != shortener.Redirect {
		e.serveOver(ctx, d.Outcome, w)
		return
	}
	e.metrics.outcome(outcomePreview)
	if w.stale {
		ctx.Response.Header.Set("X-Snowlink-Stale", w.seconds())
	}
	e.pages.preview(ctx, r.Ref.Code, r.Title, d.Target, w.hint())
}
