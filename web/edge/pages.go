package edge

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

//go:embed pages
var pageFiles embed.FS

type page uint8

// The pages that are always the same.
const (
	pageNotFound page = iota
	pageGone
	pageLimited
	pageUnavailable
	pageWelcome
	pageCount
)

var pageTexts = [pageCount]struct {
	status      int
	slug        string
	title, file string
	detail      string // for programs, instead of the page
	retryAfter  string
}{
	pageNotFound: {
		status: fasthttp.StatusNotFound, slug: "not-found", title: "There is no such link", file: "not-found",
		detail: "Nothing is behind this address.",
	},
	pageGone: {
		status: fasthttp.StatusGone, slug: "gone", title: "This link has ended", file: "gone",
		detail: "The link was deleted or has expired.",
	},
	pageLimited: {
		status: fasthttp.StatusTooManyRequests, slug: "limited", title: "Too many wrong addresses", file: "limited",
		detail: "Too many unknown codes were asked for from this address.",
	},
	pageUnavailable: {
		status: fasthttp.StatusServiceUnavailable, slug: "unavailable", title: "One moment, please", file: "unavailable",
		detail: "The link cannot be looked up at the moment.", retryAfter: "1",
	},
	pageWelcome: {status: fasthttp.StatusOK, title: "Short links live here", file: "welcome"},
}

// pages has everything that is shown to people, rendered once.
type pages struct {
	html   [pageCount][]byte
	layout *template.Template
	inner  *template.Template
	style  template.CSS
	policy string // Content-Security-Policy
	base   string // of short URLs and of problem types, without a slash at its end
	assets map[string]asset
}

type asset struct {
	contentType string
	body        []byte
}

func newPages(baseURL string) (*pages, error) {
	style, err := pageFiles.ReadFile("pages/page.css")
	if err != nil {
		return nil, fmt.Errorf("read the style of pages: %w", err)
	}
	sum := sha256.Sum256(style)
	p := &pages{
		style: template.CSS(style),
		policy: "default-src 'none'; img-src 'self'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base: strings.TrimRight(baseURL, "/"),
	}
	if p.layout, err = template.ParseFS(pageFiles, "pages/layout.html"); err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	if p.inner, err = template.ParseFS(pageFiles, "pages/preview.html"); err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	for i, t := range pageTexts {
		body, err := pageFiles.ReadFile("pages/" + t.file + ".html")
		if err != nil {
			return nil, fmt.Errorf("read page: %w", err)
		}
		if p.html[i], err = p.render(t.title, template.HTML(body)); err != nil {
			return nil, err
		}
	}
	return p, p.readAssets()
}

func (p *pages) readAssets() error {
	p.assets = map[string]asset{
		"robots.txt":  {contentType: "text/plain; charset=utf-8"},
		"favicon.ico": {contentType: "image/x-icon"},
		"favicon.svg": {contentType: "image/svg+xml"},
	}
	for name, a := range p.assets {
		body, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			return fmt.Errorf("read asset: %w", err)
		}
		a.body = body
		p.assets[name] = a
	}
	return nil
}

func (p *pages) render(title string, body template.HTML) ([]byte, error) {
	var b bytes.Buffer
	err := p.layout.Execute(&b, struct {
		Title string
		Style template.CSS
		Body  template.HTML
	}{title, p.style, body})
	if err != nil {
		return nil, fmt.Errorf("render page %q: %w", title, err)
	}
	return b.Bytes(), nil
}

// write answers with a page, or with the same in the terms of RFC 9457 if that is what the client
// wants.
func (p *pages) write(ctx *fasthttp.RequestCtx, which page) {
	t := &pageTexts[which]
	if t.retryAfter != "" {
		ctx.Response.Header.Set("Retry-After", t.retryAfter)
	}
	if t.slug != "" && wantsJSON(ctx) {
		p.problem(ctx, t.status, t.slug, t.detail)
		return
	}
	p.writeHTML(ctx, t.status, p.html[which])
}

func (p *pages) writeHTML(ctx *fasthttp.RequestCtx, status int, html []byte) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("text/html; charset=utf-8")
	h := &ctx.Response.Header
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.SetCanonical(headerCacheControl, cacheNever)
	ctx.SetBody(html)
}

// problem answers with a problem document.
func (p *pages) problem(ctx *fasthttp.RequestCtx, status int, slug, detail string) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{p.base + "/problems/" + slug, fasthttp.StatusMessage(status), status, detail})
	if err != nil {
		body = []byte("{}") // strings and a number: cannot be
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/problem+json")
	ctx.Response.Header.SetCanonical(headerCacheControl, cacheNever)
	ctx.SetBody(body)
}

// preview shows where the link of code leads; hint says what that is worth, "" if it is certain.
func (p *pages) preview(ctx *fasthttp.RequestCtx, code, name, target, hint string) {
	host := target
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		host = u.Host
	}
	short := string(ctx.Host()) + "/" + code
	var body bytes.Buffer
	err := p.inner.ExecuteTemplate(&body, "preview", struct{ Name, Short, Host, Target, Href, Hint string }{
		Name: name, Short: short, Host: host, Target: target, Href: "/" + code, Hint: hint,
	})
	var html []byte
	if err == nil {
		html, err = p.render("Where this link leads", template.HTML(body.String()))
	}
	if err != nil {
		p.problem(ctx, fasthttp.StatusInternalServerError, "internal", "The preview cannot be shown.")
		return
	}
	p.writeHTML(ctx, fasthttp.StatusOK, html)
}

// asset answers with the file of that name, or the welcome page for "", and reports whether there is one.
func (p *pages) asset(ctx *fasthttp.RequestCtx, name string) bool {
	if name == "" {
		p.write(ctx, pageWelcome)
		return true
	}
	a, ok := p.assets[name]
	if ok {
		ctx.SetContentType(a.contentType)
		ctx.Response.Header.Set("Cache-Control", "public, max-age=86400")
		ctx.SetBody(a.body)
	}
	return ok
}

// wantsJSON reports whether the client is a program: one that names JSON and does not name HTML.
func wantsJSON(ctx *fasthttp.RequestCtx) bool {
	accept := view(ctx.Request.Header.Peek("Accept"))
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}
