package config

import (
	"regexp"
	"strings"
)

const (
	hidden         = "[redacted]" // stands for a secret
	hiddenPassword = "xxxxx"      // stands for one in an address
)

// shown is a value as it may be printed.
func shown(s setting, text string) string {
	if s.secret && text != "" {
		return hidden
	}
	return Redact(text)
}

// named begins an address that has a name, in a list of them. Passwords may hold commas.
var named = regexp.MustCompile(`(?:^|,)[^=,:/]+=[a-z+]+://`)

// Redact hides the passwords in an address, or in a list of named ones. It cuts rather than parses: what
// is wrongly written is shown too, to say what is wrong with it.
func Redact(text string) string {
	starts := named.FindAllStringIndex(text, -1)
	if len(starts) == 0 {
		return redactAddress(text)
	}
	var b strings.Builder
	b.WriteString(text[:starts[0][0]])
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		b.WriteString(redactAddress(text[start[0]:end]))
	}
	return b.String()
}

func redactAddress(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, has := strings.Cut(rest[:at], ":"); has {
			rest = user + ":" + hiddenPassword + rest[at:]
		}
	}
	path, query, has := strings.Cut(rest, "?")
	if has {
		path += "?" + redactQuery(query)
	}
	return before + "://" + path
}

func redactQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, has := strings.Cut(pair, "="); has && strings.Contains(strings.ToLower(name), "password") {
			pairs[i] = name + "=" + hiddenPassword
		}
	}
	return strings.Join(pairs, "&")
}
