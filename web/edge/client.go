package edge

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// client returns the address of the visitor: the peer's, or if that is a trusted proxy's the rightmost
// in X-Forwarded-For that is not. What stands further left is whatever the visitor wrote there.
func (e *Edge) client(ctx *fasthttp.RequestCtx) netip.Addr {
	peer := peerAddr(ctx)
	if !e.trusted(peer) {
		return peer
	}
	if a, ok := e.forwardedFor(ctx, peer); ok {
		return a
	}
	return peer
}

func (e *Edge) fromProxy(ctx *fasthttp.RequestCtx) bool { return e.trusted(peerAddr(ctx)) }

// forwardedFor walks X-Forwarded-For from the right. If all of it is trusted the leftmost is the
// client; something that is no address ends the walk at the proxy that wrote it.
func (e *Edge) forwardedFor(ctx *fasthttp.RequestCtx, peer netip.Addr) (netip.Addr, bool) {
	last, found := peer, false
	for _, line := range slices.Backward(ctx.Request.Header.PeekAll("X-Forwarded-For")) {
		list := view(line)
		for list != "" {
			item := list
			if i := strings.LastIndexByte(list, ','); i >= 0 {
				item, list = list[i+1:], list[:i]
			} else {
				list = ""
			}
			a, ok := parseAddr(strings.TrimSpace(item))
			if !ok {
				return last, found
			}
			last, found = a, true
			if !e.trusted(a) {
				return a, true
			}
		}
	}
	return last, found
}

func (e *Edge) trusted(a netip.Addr) bool {
	for _, p := range e.config.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peerAddr returns who is at the other end of the connection; the zero Addr if that has no address, as
// with a Unix socket.
func peerAddr(ctx *fasthttp.RequestCtx) netip.Addr {
	if tcp, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// parseAddr reads an address with or without a port. Zones say nothing to anyone else.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, '%') >= 0 || s == "" {
		return netip.Addr{}, false
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap(), err == nil
}
