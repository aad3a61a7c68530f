package edge

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"snowlink/infra/spool"
	"snowlink/shortener"
)

// scratch is the room in which one click is put together.
type scratch struct {
	payload []byte
	text    []byte // what had to be decoded or cleaned; the click's strings may be views of it
}

func newScratch() *scratch {
	return &scratch{payload: make([]byte, 0, 1024), text: make([]byte, 0, 512)}
}

var (
	headerReferer        = []byte("Referer")
	headerAcceptLanguage = []byte("Accept-Language")
	headersPrefetch      = [...][]byte{[]byte("Sec-Purpose"), []byte("Purpose"), []byte("X-Moz"), []byte("X-Purpose")}
)

// record writes the click to the log. A log that refuses costs the click, never the redirect; one that
// is closed costs the redirect: this process has stopped counting, and another can still do both. It
// reports whether the redirect may be answered.
func (e *Edge) record(ctx *fasthttp.RequestCtx, ref shortener.Ref, d *shortener.Decision, query string, now time.Time) bool {
	s := e.scratch.Get().(*scratch)
	s.text = s.text[:0]
	h := &ctx.Request.Header
	agent := view(h.UserAgent())
	addr := e.client(ctx)
	c := shortener.Click{
		At:        now,
		Ref:       ref,
		Visitor:   e.salts.visitor(now, addr, agent),
		Referrer:  s.clean(referrer(view(h.PeekCanonical(headerReferer))), shortener.MaxReferrer),
		UserAgent: s.clean(agent, shortener.MaxUserAgent),
		Language:  s.language(view(h.PeekCanonical(headerAcceptLanguage))),
		Rule:      d.Rule,
		Head:      ctx.IsHead(),
		Prefetch:  isPrefetch(h),
	}
	if e.config.Geo != nil {
		c.Country, c.Region, c.City = e.config.Geo.Lookup(addr)
	}
	if query != "" {
		s.campaign(&c, query)
	}
	s.payload = shortener.AppendClick(s.payload[:0], &c)
	_, err := e.config.Spool.Append(s.payload)
	e.scratch.Put(s)
	switch {
	case err == nil:
		e.metrics.appended.add()
	case errors.Is(err, spool.ErrClosed):
		return false
	default:
		e.drop(err)
	}
	return true
}

func (e *Edge) drop(err error) {
	if errors.Is(err, spool.ErrFull) {
		e.metrics.droppedFull.add()
		return
	}
	e.metrics.droppedError.add()
	e.log.Debug("click not kept", "error", err)
}

func isPrefetch(h *fasthttp.RequestHeader) bool {
	for _, name := range headersPrefetch {
		v := view(h.PeekCanonical(name))
		if v != "" && (strings.Contains(v, "prefetch") || strings.Contains(v, "preview")) {
			return true
		}
	}
	return false
}

// referrer strips a Referer of its scheme, credentials, query and fragment.
func referrer(s string) string {
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	host := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		host = s[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// language returns the primary subtag of the first language, lower case: "pt" of "pt-BR,en;q=0.8".
func (s *scratch) language(accept string) string {
	end := 0
	lower := true
	for ; end < len(accept); end++ {
		c := accept[end]
		if 'A' <= c && c <= 'Z' {
			lower = false
		} else if c < 'a' || c > 'z' {
			break
		}
	}
	if end > shortener.MaxLanguage || end < len(accept) && !strings.ContainsRune("-,; ", rune(accept[end])) {
		return ""
	}
	if lower {
		return accept[:end]
	}
	from := len(s.text)
	for _, c := range []byte(accept[:end]) {
		s.text = append(s.text, c|0x20)
	}
	return view(s.text[from:])
}

// clean returns v as valid UTF-8 without control characters, cut at max bytes between characters. In
// all but odd cases that is a part of v.
func (s *scratch) clean(v string, max int) string {
	if !isClean(v) {
		from := len(s.text)
		s.text = appendClean(s.text, v, max)
		return view(s.text[from:])
	}
	return cut(v, max)
}

func isClean(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c >= 0x7f {
			return c >= 0x80 && utf8.ValidString(v) && strings.IndexFunc(v, isControl) < 0
		}
	}
	return true
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

func appendClean(dst []byte, v string, max int) []byte {
	from := len(dst)
	for i := 0; i < len(v); {
		r, n := utf8.DecodeRuneInString(v[i:])
		if (r != utf8.RuneError || n > 1) && !isControl(r) {
			if len(dst)-from+n > max {
				break
			}
			dst = append(dst, v[i:i+n]...)
		}
		i += n
	}
	return dst
}

func cut(v string, max int) string {
	if len(v) <= max {
		return v
	}
	for max > 0 && !utf8.RuneStart(v[max]) {
		max--
	}
	return v[:max]
}

// campaign fills what the query of the short URL tells: the utm fields, of which the first of a name
// counts, and whether a QR code was scanned.
func (s *scratch) campaign(c *shortener.Click, query string) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		var field *string
		switch name {
		case "qr":
			c.Source = shortener.SourceQR
			continue
		case "utm_source":
			field = &c.UTM.Source
		case "utm_medium":
			field = &c.UTM.Medium
		case "utm_campaign":
			field = &c.UTM.Campaign
		case "utm_term":
			field = &c.UTM.Term
		case "utm_content":
			field = &c.UTM.Content
		default:
			continue
		}
		if *field == "" {
			*field = s.clean(s.unescape(value), shortener.MaxUTM)
		}
	}
}

// unescape undoes the encoding of a form value. A percent sign that begins no escape stands for itself.
func (s *scratch) unescape(v string) string {
	if strings.IndexByte(v, '%') < 0 && strings.IndexByte(v, '+') < 0 {
		return v
	}
	from := len(s.text)
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '+':
			s.text = append(s.text, ' ')
		case c == '%' && i+2 < len(v) && unhex(v[i+1]) < 16 && unhex(v[i+2]) < 16:
			s.text = append(s.text, unhex(v[i+1])<<4|unhex(v[i+2]))
			i += 2
		default:
			s.text = append(s.text, c)
		}
	}
	return view(s.text[from:])
}

// unhex returns the value of a hexadecimal digit, 16 or more of anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
