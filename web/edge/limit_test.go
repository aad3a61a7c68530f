package edge

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"snowlink/infra/ratelimit"
)

// Three unknown codes are asked for, of which an address may ask for one.
func TestWhomTheLimitOnUnknownCodesTakesForOneAddress(t *testing.T) {
	const proxy = "10.0.0.1"
	same, others := []int{404, 429, 429}, []int{404, 404, 404}
	for name, tc := range map[string]struct {
		from   string // with # for the number of the request
		header string
		want   []int
	}{
		"one address":                         {"192.0.2.7", "Accept: */*", same},
		"X-Forwarded-For of a visitor":        {"192.0.2.7", "X-Forwarded-For: 203.0.113.#", same},
		"X-Forwarded-For, said to be kept":    {"192.0.2.7", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 203.0.113.#", same},
		"Forwarded of a visitor":              {"192.0.2.7", "Forwarded: for=203.0.113.#", same},
		"X-Real-IP of a visitor":              {"192.0.2.7", "X-Real-IP: 203.0.113.#", same},
		"our own header of a visitor":         {"192.0.2.7", "X-Snowlink-Client: 203.0.113.#", same},
		"the proxy's word":                    {proxy, "X-Forwarded-For: 203.0.113.#", others},
		"the proxy's word of one":             {proxy, "X-Forwarded-For: 203.0.113.7", same},
		"a visitor's word before the proxy's": {proxy, "X-Forwarded-For: 203.0.113.#, 192.0.2.7", same},
		"a visitor's line before the proxy's": {proxy, "X-Forwarded-For: 203.0.113.#\r\nX-Forwarded-For: 192.0.2.7", same},
		"a visitor who names the proxy":       {proxy, "X-Forwarded-For: 203.0.113.#, 192.0.2.7, " + proxy, same},
		"X-Real-IP through the proxy":         {proxy, "X-Real-IP: 203.0.113.#\r\nX-Forwarded-For: 192.0.2.7", same},
		"addresses of one IPv6 network":       {"2001:db8:1:2:#::1", "Accept: */*", same},
		"addresses of several IPv6 networks":  {"2001:db8:1:#::1", "Accept: */*", others},
		"IPv4 as IPv6":                        {"::ffff:192.0.2.#", "Accept: */*", others},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(c *Config) {
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				c.Limits.UnknownBurst, c.Limits.UnknownRate = 1, 0.001
			})
			fill := func(pattern string, i int) string { return strings.ReplaceAll(pattern, "#", fmt.Sprint(i)) }
			for i, want := range tc.want {
				w.wantStatus(w.ask(fill(tc.from, i+1), "GET", fmt.Sprintf("/x%d", i), fill(tc.header, i+1)), want)
			}
		})
	}
}

// oracle is a limiter that answers as told, and counts how often it is waited for.
type oracle struct {
	allows bool
	asked  atomic.Int64
}

func (o *oracle) Allow(context.Context, string, int) ratelimit.Result {
	o.asked.Add(1)
	return o.Peek("")
}

func (o *oracle) Peek(string) ratelimit.Result {
	return ratelimit.Result{Allowed: o.allows, RetryAfter: 3 * time.Second}
}

func TestTheLimiterIsAskedForUnknownCodesAlone(t *testing.T) {
	o := &oracle{}
	w := start(t, func(c *Config) { c.Unknown = o }, link("hot", "https://example.com/"), link("cold", "https://example.com/"))
	w.api.put(link("lost", "https://example.com/"))
	for range 2 {
		for _, path := range []string{"/hot", "/cold", "/lost"} {
			w.wantStatus(w.get(path), 302)
		}
	}
	if got := o.asked.Load(); got != 0 {
		t.Errorf("links that there are: got the limiter asked %d times, want never", got)
	}
	for range 2 {
		resp := w.get("/unknown")
		w.wantStatus(resp, 429)
		if got := resp.Header.Get("Retry-After"); got != "3" {
			t.Errorf("Retry-After: got %q, want what the limiter says", got)
		}
	}
	if got := o.asked.Load(); got != 2 {
		t.Errorf("an unknown code, twice: got the limiter asked %d times", got)
	}
	o.allows = true
	w.wantStatus(w.get("/unknown"), 404)
}
