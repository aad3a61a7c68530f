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
	scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(raw, " ")), ":")
	switch {
	case scheme != "http" && scheme != "https":
		return parsedURL{}, "This is not an absolute http or https URL."
	case strings.Contains(authority(raw), "@"): // told before it is parsed: the parser's time is quadratic in them
		return parsedURL{}, "The URL has a user name or password in it."
	}
	parsed, err := parser.Parse(raw)
	if err != nil || strings.Trim(parsed.Hostname(), ".") == "" {
		return parsedURL{}, noURL
	}
	u = parsedURL{parsed.Href(false), parsed.Hostname()}
	if !printable(u.href) || !stable(u) || !faithful(parsed, raw) {
		return parsedURL{}, noURL
	}
	return u, ""
}

const noURL = "This is not a URL that a browser opens."

// isControl reports whether r is a control character of ASCII or of Latin-1.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

var (
	parser = url.NewParser()

	// nameParser shows the host as it is before it is taken for an IPv4 address: the name it appends
	// to each is none.
	nameParser = url.NewParser(url.WithPreParseHostFunc(func(_ *url.Url, host string) string { return host + notIPv4 }))
)

const notIPv4 = ".a"

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// stable reports whether the stored form is read as what it was made of. A few names are refused in
// the ASCII form that the parser itself gave them.
func stable(u parsedURL) bool {
	again, err := parser.Parse(u.href)
	return err == nil && again.Hostname() == u.host && again.Href(false) == u.href
}

// faithful reports whether the parser can be trusted with the address it found in raw. It cannot be
// with signs in the numbers of IPv4, which it takes for parts of them, nor with brackets around IPv6,
// of which it takes any number.
func faithful(u *url.Url, raw string) bool {
	switch {
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

// CanonicalHost returns a host, with or without a port, as one name of all its spellings: without the
// port and without trailing dots, in lower case and in ASCII, an address in its usual form and one of
// IPv4 in IPv6 as the former. What is no host is returned as it is.
func CanonicalHost(host string) string {
	if !strings.ContainsAny(host, `/\?#@`) {
		for _, form := range []string{"http://%s/", "http://[%s]/"} {
			if u, fault := parseURL(fmt.Sprintf(form, host)); fault == "" {
				return plainHost(u.host)
			}
		}
	}
	return host
}

// plainHost is CanonicalHost of a host that the parser returned.
func plainHost(host string) string {
	host = strings.TrimRight(host, ".")
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.Unmap().String()
	}
	return host
}
