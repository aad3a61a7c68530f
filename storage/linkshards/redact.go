package linkshards

import "strings"

const redacted = "xxxxx"

// Redact returns the address of a shard without its passwords. What it cannot tell from one counts as
// one.
func Redact(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return redacted
	}
	if user, host, ok := cutLast(rest, "@"); ok {
		name, _, named := strings.Cut(user, ":")
		if named {
			name += ":"
		} else {
			name = ""
		}
		rest = name + redacted + "@" + host
	}
	base, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + "://" + rest
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if key, _, _ := strings.Cut(pair, "="); strings.Contains(key, "password") || strings.Contains(key, "%") {
			pairs[i] = key + "=" + redacted
		}
	}
	return scheme + "://" + base + "?" + strings.Join(pairs, "&")
}
