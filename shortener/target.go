package shortener

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// MaxTarget is the length of the longest target, in bytes of its serialized form.
const MaxTarget = 8192

// Targets decides which URLs links may lead to. It is immutable.
type Targets struct {
	own      map[string]bool
	loopback bool // one of the own hosts is this machine's: then every spelling of it is
}

// NewTargets returns the policy of a service that is reached by ownHosts, each with or without a port.
func NewTargets(ownHosts []string) *Targets {
	t := &Targets{own: make(map[string]bool)}
	for _, host := range ownHosts {
		host = canonicalHost(host)
		t.own[host] = true
		t.loopback = t.loopback || loopback(host)
	}
	return t
}

// Parse reads a target as a browser does, by the WHATWG URL standard, and returns its serialized
// form: printable ASCII, safe in a header, and the same again when it is parsed. http and https
// alone have a target; there are no credentials and no control characters in it, it is at most
// MaxTarget bytes long, and its host is not one of the service's own, however that is spelled.
//
// The error is an Invalid problem of the field "url" with slug invalid-url, url-too-long or own-host.
func (t *Targets) Parse(raw string) (href string, err error) {
	href, p := t.parse("url", raw)
	if p != nil {
		return "", p
	}
	return href, nil
}

func (t *Targets) parse(field, raw string) (string, *Problem) {
	switch {
	case raw == "":
		return "", InvalidField(field, "invalid-url", "A URL is needed.")
	case !utf8.ValidString(raw):
		return "", InvalidField(field, "invalid-url", "The URL is not valid UTF-8.")
	case strings.ContainsFunc(raw, isControl):
		// The standard would drop some of them in silence, and lead elsewhere than it looks.
		return "", InvalidField(field, "invalid-url", "The URL has a control character in it.")
	}
	u, err := parseURL(raw)
	switch {
	case err != nil:
		return "", InvalidField(field, "invalid-url", "This is not an absolute http or https URL.").Wrap(err)
	case len(u.href) > MaxTarget:
		return "", InvalidField(field, "url-too-long", "The URL is longer than %d bytes.", MaxTarget)
	case t.isOwn(u.host):
		return "", InvalidField(field, "own-host", "The URL leads to this service itself, which would make a loop.")
	}
	return u.href, nil
}

// isControl reports whether r is a control character of ASCII or of Latin-1.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

func (t *Targets) isOwn(host string) bool {
	host = strings.TrimRight(host, ".")
	return t.own[host] || t.loopback && loopback(host)
}

// loopback reports whether a canonical host is this machine by any of its names. 0.0.0.0 and :: are
// where a connection to nowhere in particular ends.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsUnspecified()
}
