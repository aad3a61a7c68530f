package gateway

import (
	"crypto/rand"
	"io"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// hopByHop are headers of one connection, which are none of the next one's business.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Expect",
}

const ownPrefix = "x-snowlink-"

// copyRequest makes of the client's request the one that is sent on. It returns its body, nil if it
// has none.
func (g *Gateway) copyRequest(ctx *fasthttp.RequestCtx, req *fasthttp.Request, path string) *requestBody {
	h := &req.Header
	ctx.Request.Header.CopyTo(h)
	length := ctx.Request.Header.ContentLength()
	clearHops(h.PeekAll("Connection"), h.Del)
	for _, name := range ownNames(h) {
		h.Del(name)
	}
	h.ResetConnectionClose()
	if query := ctx.URI().QueryString(); len(query) > 0 {
		path += "?" + string(query)
	}
	h.SetRequestURI(path)
	req.UseHostHeader = true
	if len(h.Host()) == 0 {
		h.SetHost("localhost")
	}
	setForwarded(ctx, h)
	if len(ctx.Request.Header.Peek("X-Forwarded-Host")) == 0 {
		h.SetBytesV("X-Forwarded-Host", ctx.Host())
	}
	return g.copyBody(ctx, req, length)
}

func setForwarded(ctx *fasthttp.RequestCtx, h *fasthttp.RequestHeader) {
	client := ""
	if tcp, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		client = tcp.AddrPort().Addr().Unmap().String()
	}
	h.Set("X-Snowlink-Client", client)
	h.Set("X-Forwarded-For", client)
	if proto := string(h.Peek("X-Forwarded-Proto")); proto != "http" && proto != "https" {
		proto = "http"
		if ctx.IsTLS() {
			proto = "https"
		}
		h.Set("X-Forwarded-Proto", proto)
	}
	if id := string(h.Peek("X-Request-Id")); !isRequestID(id) {
		h.Set("X-Request-Id", strings.ToLower(rand.Text()))
	}
}

// isRequestID reports whether an id the client has chosen may stand in our logs.
func isRequestID(id string) bool {
	for _, c := range []byte(id) {
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' && c != '_' || c > 'z' {
			if c != '-' && c != '.' {
				return false
			}
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

// clearHops deletes what belongs to the connection, and what its Connection header names.
func clearHops(connection [][]byte, del func(string)) {
	var named []string
	for _, line := range connection {
		for name := range strings.SplitSeq(string(line), ",") {
			named = append(named, strings.TrimSpace(name))
		}
	}
	for _, name := range named {
		if !strings.EqualFold(name, "Host") && name != "" {
			del(name)
		}
	}
	for _, name := range hopByHop {
		del(name)
	}
}

func ownNames(h *fasthttp.RequestHeader) []string {
	var names []string
	for key := range h.All() {
		if len(key) >= len(ownPrefix) && strings.EqualFold(string(key[:len(ownPrefix)]), ownPrefix) {
			names = append(names, string(key))
		}
	}
	return names
}

// copyBody hands the client's body on, as it comes.
func (g *Gateway) copyBody(ctx *fasthttp.RequestCtx, req *fasthttp.Request, length int) *requestBody {
	var r io.Reader
	switch stream := ctx.RequestBodyStream(); {
	case length == 0:
		return nil
	case stream != nil:
		r = stream
	case len(ctx.Request.Body()) > 0:
		r = strings.NewReader(string(ctx.Request.Body()))
	default:
		return nil
	}
	body := &requestBody{from: r, length: length, left: g.config.MaxBody}
	req.SetBodyStream(body, length)
	return body
}

// copyResponse makes of an instance's response the client's. Its body is read as the client takes it.
func (g *Gateway) copyResponse(ctx *fasthttp.RequestCtx, resp *fasthttp.Response) {
	length := resp.Header.ContentLength()
	h := &ctx.Response.Header
	resp.Header.CopyTo(h)
	clearHops(h.PeekAll("Connection"), h.Del)
	h.ResetConnectionClose()
	if ctx.IsHead() || length == 0 || resp.BodyStream() == nil {
		_ = resp.CloseBodyStream()
		fasthttp.ReleaseResponse(resp)
		if ctx.IsHead() {
			ctx.Response.SkipBody = true
			h.SetContentLength(length)
		}
		return
	}
	body := &responseBody{ctx: ctx, resp: resp, from: resp.BodyStream(), idle: g.config.Idle}
	_ = ctx.SetWriteDeadline(time.Now().Add(g.config.Idle))
	ctx.Response.SetBodyStream(body, max(length, -1))
}
