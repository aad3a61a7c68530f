package shortener

import (
	"net/netip"
	"strings"
)

// MaxTarget is the length of the longest target, in bytes of its serialized form.
const MaxTarget = 8192

// maxRaw bounds the work on one URL, which grows with the square of its segments. It leaves room for
// what serialization drops.
const maxRaw = MaxTarget + 1024

// Targets decides which URLs links may lead to. It is immutable.
type Targets struct {
	own      map[string]bool
	loopback bool // one of the own hosts is this machine's: then every name of it is
}

// NewTargets returns the policy of a service that is reached by ownHosts, each with or without a
// port. Empty ones are left out. If one is a name or address of the machine itself, all of them are
// its own: localhost and all below it, 127.0.0.0/8, ::1, 0.0.0.0 and ::.
func NewTargets(ownHosts []string) *Targets {
	t := &Targets{own: make(map[string]bool)}
	for _, host := range ownHosts {
		if host = CanonicalHost(host); host != "" {
			t.own[host] = true
			t.loopback = t.loopback || loopback(host)
		}
	}
	return t
}

// Parse reads a target as a browser does, by the WHATWG URL standard, and returns its serialized
// form: printable ASCII, safe in a header, and the same again when it is parsed. http and https
// alone have a target; there are no credentials, not even empty ones, and no control characters in
// it, it is at most MaxTarget bytes long, and its host is not one of the service's own, however that
// is spelled and whatever the port.
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
	if raw == "" {
		return "", InvalidField(field, "invalid-url", "A URL is needed.")
	}
	if len(raw) > maxRaw {
		return "", tooLong(field)
	}
	u, fault := parseURL(raw)
	switch {
	case fault != "":
		return "", InvalidField(field, "invalid-url", "%s", fault)
	case len(u.href) > MaxTarget:
		return "", tooLong(field)
	case t.isOwn(plainHost(u.host)):
		return "", InvalidField(field, "own-host", "The URL leads to this service itself, which would make a loop.")
	}
	return u.href, nil
}

func tooLong(field string) *Problem {
	return InvalidField(field, "url-too-long", "The URL is longer than %d bytes.", MaxTarget)
}

func (t *Targets) isOwn(host string) bool { return t.own[host] || t.loopback && loopback(host) }

// loopback reports whether a canonical host is this machine by any of its names. 0.0.0.0 and :: are
// among them: a connection to no address in particular ends here.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}
