package useragent

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

//go:generate ./isbot/update.sh

// The patterns of isbot, for headers in lower case. As one expression they take half a millisecond a
// header; nearly all of them are plain text, which is found in a thousandth of that.
//
//go:embed isbot/patterns.json
var patternsJSON []byte

// patterns are those of isbot, sorted by what it takes to match them.
type patterns struct {
	prefixes    []string
	literals    []literal
	expressions []*regexp.Regexp // last: they are slow
}

// literal is text with conditions on what stands around it.
type literal struct {
	text       string
	wordBefore bool     // a word boundary stands before it
	wordAfter  bool     // and after it
	notBefore  []string // none of these stands before it
	notAfter   []string // and none of these after it
}

// lookarounds are the patterns that RE2 does not have the means for. They are written out by hand.
var lookarounds = map[string][]literal{
	`(?:^|[^g])news(?!sapphire)`: {{text: "news", notBefore: []string{"g"}, notAfter: []string{"sapphire"}}},
	`(?<! channel/|google/)google(?!(?:wv|app|/google| pixel))`: {{
		text: "google", notBefore: []string{" channel/", "google/"}, notAfter: []string{"wv", "app", "/google", " pixel"},
	}},
	`(?<! cu)bots?(?:\b|_)`: {
		{text: "bot", wordAfter: true, notBefore: []string{" cu"}},
		{text: "bots", wordAfter: true, notBefore: []string{" cu"}},
		{text: "bot_", notBefore: []string{" cu"}},
		{text: "bots_", notBefore: []string{" cu"}},
	},
	`(?<!cam)scan`: {{text: "scan", notBefore: []string{"cam"}}},
	`(?<!lib)http`: {{text: "http", notBefore: []string{"lib"}}},
	`java(?!;)`:    {{text: "java", notAfter: []string{";"}}},
}

var suspicious = sync.OnceValue(func() patterns {
	p, err := parsePatterns(patternsJSON)
	if err != nil {
		panic(err) // the file is compiled in, and a test reads it
	}
	return p
})

// plain is a pattern that is text but for its edges.
var plain = regexp.MustCompile(`^(\^|\\b)?((?:[\w /:;,@!<>=_-]|\\\.|\\\|)+?)(\\b)?$`)

func parsePatterns(list []byte) (p patterns, err error) {
	var sources []string
	if err := json.Unmarshal(list, &sources); err != nil {
		return p, fmt.Errorf("read patterns of bots: %w", err)
	}
	for _, source := range sources {
		if byHand, ok := lookarounds[source]; ok {
			p.literals = append(p.literals, byHand...)
			continue
		}
		m := plain.FindStringSubmatch(source)
		switch {
		case m == nil, m[1] == "^" && m[3] != "":
			e, err := regexp.Compile(source)
			if err != nil {
				return p, fmt.Errorf("pattern of bots %q: %w", source, err)
			}
			p.expressions = append(p.expressions, e)
		case m[1] == "^":
			p.prefixes = append(p.prefixes, unescape(m[2]))
		default:
			p.literals = append(p.literals, literal{text: unescape(m[2]), wordBefore: m[1] != "", wordAfter: m[3] != ""})
		}
	}
	return p, nil
}

func unescape(s string) string { return strings.ReplaceAll(s, `\`, "") }

func (p patterns) match(lower string) bool {
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	for i := range p.literals {
		if p.literals[i].in(lower) {
			return true
		}
	}
	for _, e := range p.expressions {
		if e.MatchString(lower) {
			return true
		}
	}
	return false
}

func (l *literal) in(s string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], l.text)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(l.text)
		if l.fits(s[:start], s[end:]) {
			return true
		}
		from = start + 1
	}
}

// fits reports whether the text may stand between before and after.
func (l *literal) fits(before, after string) bool {
	if l.wordBefore && isWord(before, len(before)-1) == isWord(l.text, 0) ||
		l.wordAfter && isWord(after, 0) == isWord(l.text, len(l.text)-1) {
		return false
	}
	for _, s := range l.notBefore {
		if strings.HasSuffix(before, s) {
			return false
		}
	}
	for _, s := range l.notAfter {
		if strings.HasPrefix(after, s) {
			return false
		}
	}
	return true
}

// isWord reports whether the byte at i is one of a word, as \b of an expression sees it.
func isWord(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
