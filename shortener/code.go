package shortener

import "strings"

// MaxCode is the length of the longest code, in characters.
const MaxCode = 64

// ValidCode reports whether s has the form of a code: 1 to MaxCode of A-Z, a-z, 0-9, _ and -. Codes
// are case-sensitive. A code that is reserved has the form too.
func ValidCode(s string) bool {
	if s == "" || len(s) > MaxCode {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// ParseCode returns nil if somebody may choose s for a link, and otherwise an Invalid problem with
// field "code": reserved-code for a name the service keeps to itself, invalid-code for a wrong form.
func ParseCode(s string) error {
	if p := parseCode(s); p != nil {
		return p
	}
	return nil
}

func parseCode(s string) *Problem {
	switch {
	case Reserved(s):
		return InvalidField("code", "reserved-code", "The code %q is kept for the service itself: choose another.", s)
	case !ValidCode(s):
		return InvalidField("code", "invalid-code",
			"A code has 1 to %d characters out of A-Z, a-z, 0-9, _ and -.", MaxCode)
	}
	return nil
}

// reserved are the names that the service answers itself, or may come to: paths of its own, files
// that browsers and crawlers ask for unbidden, and words a visitor would take for the service's.
var reserved = func() map[string]bool {
	names := make(map[string]bool)
	for _, name := range strings.Fields(`
		api app assets internal static public dashboard admin docs openapi swagger
		livez readyz healthz health metrics debug pprof status version
		robots.txt favicon.ico sitemap.xml manifest.json browserconfig.xml apple-touch-icon.png
		apple-touch-icon-precomposed.png service-worker.js security.txt humans.txt ads.txt app-ads.txt
		.well-known index index.html index.php
		login logout signin signout signup register account settings auth oauth callback
		about help support contact terms privacy legal imprint abuse security
		new links analytics stats keys domains qr rest graphql webhooks events`) {
		names[name] = true
	}
	return names
}()

// Reserved reports whether the service keeps code to itself, in whatever case it is written.
func Reserved(code string) bool { return reserved[strings.ToLower(code)] }
