package shortener

import (
	"strings"
	"testing"
)

func TestChosenCodes(t *testing.T) {
	for name, tc := range map[string]struct {
		code string
		slug string // "" if it may be chosen
	}{
		"one character":                {"a", ""},
		"every character":              {"-_09AZaz", ""},
		"the longest":                  {strings.Repeat("x", 64), ""},
		"one too long":                 {strings.Repeat("x", 65), "invalid-code"},
		"none":                         {"", "invalid-code"},
		"a space":                      {"a b", "invalid-code"},
		"a slash":                      {"a/b", "invalid-code"},
		"a dot":                        {"a.b", "invalid-code"},
		"a plus, which asks a preview": {"abc+", "invalid-code"},
		"a letter outside of ASCII":    {"é", "invalid-code"},
		"a letter that looks like one": {"аbc", "invalid-code"},
		"an escape":                    {"%61", "invalid-code"},
		"a line end":                   {"abc\n", "invalid-code"},
		"a zero byte":                  {"abc\x00", "invalid-code"},
		"reserved":                     {"api", "reserved-code"},
		"reserved in capitals":         {"API", "reserved-code"},
		"reserved in mixed case":       {"LiveZ", "reserved-code"},
		"reserved, though not a code":  {"robots.txt", "reserved-code"},
		"reserved, with a leading dot": {".well-known", "reserved-code"},
		"reserved of eight characters": {"internal", "reserved-code"},
		"what only begins with a name": {"apis", ""},
		"what only ends with a name":   {"my-app", ""},
	} {
		if got := slugOf(ParseCode(tc.code)); got != tc.slug {
			t.Errorf("%s: ParseCode(%q) gives %q, want %q", name, tc.code, got, tc.slug)
		}
		if got := ValidCode(tc.code); tc.slug == "" && !got || tc.slug == "invalid-code" && got {
			t.Errorf("%s: ValidCode(%q) = %v", name, tc.code, got)
		}
	}
}

func TestReservedNames(t *testing.T) {
	for _, name := range strings.Fields("api app assets internal livez readyz metrics robots.txt favicon.ico .well-known docs health sitemap.xml index") {
		if !Reserved(name) || !Reserved(strings.ToUpper(name)) {
			t.Errorf("Reserved(%q) = false, want true in any case", name)
		}
	}
}
