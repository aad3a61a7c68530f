package shortener

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
)

// parsedURL is what the policy needs to know of a URL by the WHATWG URL standard.
type parsedURL struct {
	href string // printable ASCII; parsing it gives it again
	host string // canonical, as the href has it
}

// parseURL parses an absolute http or https URL without credentials. If it cannot, fault is the
// sentence that tells a person why.
//
// The parser is held to more than the standard asks for. The standard drops tabs and line ends in
// silence, and what is dropped leads elsewhere than it looks: all control characters are refused. And
// what the parser is known to read otherwise than browsers do is refused too.
func parseURL(raw string) (u parsedURL, fault string) {
	switch {
	case !utf8.ValidString(raw):
		return parsedURL{}, "The URL is not valid UTF-8."
	case strings.ContainsFunc(raw, isControl):
		return parsedURL{}, "The URL has a control character in it."
	}
	parsed, err := parser.Parse(raw)
	switch {
	case err != nil:
		return parsedURL{}, noURL
	case parsed.Scheme() != "http" && parsed.Scheme() != "https":
		return parsedURL{}, "A link leads to an http or https URL."
	case strings.Contains(authority(raw), "@"):
		return parsedURL{}, "The URL has a user name or password in it."
	case strings.Trim(parsed.Hostname(), ".") == "", !faithful(parsed, raw):
		return parsedURL{}, noURL
	}
	return parsedURL{parsed.Href(false), parsed.Hostname()}, ""
}

const noURL = "This is not an absolute URL that a browser opens."

// isControl reports whether r is a control character of ASCII or of Latin-1.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

var (
	parser = url.NewParser()

	// nameParser shows the host as it is before it is taken for an IPv4 address: the name it appends
	// to each is none.
	nameParser = url.NewParser(url.WithPreParseHostFunc(func(_ *url.Url, host string) string { return host + notIPv4 }))
)

const notIPv4 = ".a"

// faithful reports whether the parser can be trusted with u, which it made of raw. It cannot be with
// signs in the numbers of an IPv4 address, which it takes for numbers; with brackets around an IPv6
// address, of which it takes any number; and with a few names that it refuses in their ASCII form.
func faithful(u *url.Url, raw string) bool {
	href := u.Href(false)
	again, err := parser.Parse(href)
	switch {
	case err != nil || again.Href(false) != href || again.Hostname() != u.Hostname():
		return false
	case strings.ContainsFunc(href, func(r rune) bool { return r <= ' ' || r > '~' }):
		return false
	case u.IsIPv4():
		named, err := nameParser.Parse(raw)
		return err == nil && !strings.ContainsAny(strings.TrimSuffix(named.Hostname(), notIPv4), "+-")
	case u.IsIPv6():
		_, host, _ := strings.Cut(authority(raw), "[")
		written, err := netip.ParseAddr(host[:max(0, strings.LastIndexByte(host, ']'))])
		parsed, parsedErr := netip.ParseAddr(strings.Trim(u.Hostname(), "[]"))
		return err == nil && parsedErr == nil && written == parsed
	}
	return true
}

// authority returns the part of an http or https URL that the standard takes for user, host and port:
// all slashes before it are skipped, backslashes too.
func authority(raw string) string {
	_, rest, _ := strings.Cut(raw, ":")
	rest = strings.TrimLeft(rest, `/\`)
	if end := strings.IndexAny(rest, `/\?#`); end >= 0 {
		return rest[:end]
	}
	return rest
}

// canonicalHost returns a host, with or without a port, as one name of all its spellings: without the
// port and without trailing dots, in lower case and in ASCII, an address in its usual form and one of
// IPv4 in IPv6 as the former. What is no host is returned as it is.
func canonicalHost(host string) string {
	if !strings.ContainsAny(host, `/\?#@`) {
		for _, form := range []string{"http://%s/", "http://[%s]/"} {
			if u, fault := parseURL(fmt.Sprintf(form, host)); fault == "" {
				return plainHost(u.host)
			}
		}
	}
	return host
}

// plainHost is canonicalHost of a host that the parser returned.
func plainHost(host string) string {
	host = strings.TrimRight(host, ".")
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.Unmap().String()
	}
	return host
}
