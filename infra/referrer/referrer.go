// Package referrer tells where a visitor came from: the site, and the channel it stands for.
//
// It works on what a referring page is stored as, host and path, and never fails: what is not a host
// has no site and is a plain referral.
package referrer

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// The channels.
const (
	Direct   = "direct" // no referring page and no campaign that tells: typed, or from an app
	Search   = "search"
	Social   = "social"
	Mail     = "mail"
	AI       = "ai"  // an assistant that links to its sources
	Ads      = "ads" // paid for, wherever it was shown
	Referral = "referral"
)

// Classify returns the registrable host of a referring page, which is host and path without a scheme,
// and its channel. What the campaign says of itself wins over the page: the medium is what somebody
// paid for or sent, the page is only where it was seen.
func Classify(page, utmSource, utmMedium string) (host, channel string) {
	full := hostOf(page)
	host = registrable(full)
	if c, ok := media[strings.ToLower(strings.TrimSpace(utmMedium))]; ok {
		return host, c
	}
	if c, ok := channelOf(full, host); ok {
		return host, c
	}
	if c, ok := sources[strings.ToLower(strings.TrimSpace(utmSource))]; ok {
		return host, c
	}
	if page == "" {
		return "", Direct
	}
	return host, Referral
}

// hostOf returns the host of a page, in lower case, without a port and trailing dots.
func hostOf(page string) string {
	authority, _, _ := strings.Cut(page, "/")
	if end := strings.IndexByte(authority, ']'); strings.HasPrefix(authority, "[") && end > 0 {
		authority = authority[1:end]
	} else if host, port, ok := strings.Cut(authority, ":"); ok && strings.Trim(port, "0123456789") == "" {
		authority = host
	}
	return strings.TrimRight(strings.ToLower(authority), ".")
}

// registrable returns the part of host that somebody registered: "example.co.uk" of
// "www.example.co.uk". Addresses, public suffixes and names below no known one, as those of a private
// network and of apps, are themselves.
func registrable(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	if !icann && !strings.Contains(suffix, ".") {
		return host
	}
	rest, ok := strings.CutSuffix(host, "."+suffix)
	if !ok {
		return host
	}
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}

// channelOf looks a host up in the tables, from the whole of it to its last label, and then by the
// name that was registered, for those that have one in every country.
func channelOf(host, site string) (string, bool) {
	for rest, more := host, true; more; _, rest, more = strings.Cut(rest, ".") {
		if c, ok := hosts[rest]; ok {
			return c, true
		}
	}
	if host != site && (strings.HasPrefix(host, "mail.") || strings.HasPrefix(host, "webmail.")) {
		return Mail, true
	}
	name, _, _ := strings.Cut(site, ".")
	if name == "yahoo" && !strings.Contains(host, "search") {
		return "", false // a portal, whose pages are news and shops
	}
	c, ok := worldwide[name]
	return c, ok
}
