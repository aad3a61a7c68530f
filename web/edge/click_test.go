package edge

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"snowlink/shortener"
)

type fixedGeo struct{ asked []netip.Addr }

func (g *fixedGeo) Lookup(a netip.Addr) (string, string, string) {
	g.asked = append(g.asked, a)
	return "GB", "England", "London"
}

func TestFieldsOfAClick(t *testing.T) {
	long := strings.Repeat("ü", 400)
	tests := []struct {
		name, target string
		header       []string
		want         func(*shortener.Click)
	}{
		{"nothing", "/abc", nil, func(*shortener.Click) {}},
		{
			"a browser", "/abc",
			[]string{
				"User-Agent: Mozilla/5.0", "Accept-Language: pt-BR,pt;q=0.9,en;q=0.8",
				"Referer: https://news.example/story/1?id=2#c3",
			},
			func(c *shortener.Click) {
				c.UserAgent, c.Language, c.Referrer = "Mozilla/5.0", "pt", "news.example/story/1"
			},
		},
		{"referrer with credentials", "/abc", []string{"Referer: http://me:pw@news.example:81/a@b"}, func(c *shortener.Click) {
			c.Referrer = "news.example:81/a@b"
		}},
		{"referrer of an app", "/abc", []string{"Referer: android-app://com.example.mail/"}, func(c *shortener.Click) {
			c.Referrer = "com.example.mail/"
		}},
		{"referrer without path", "/abc", []string{"Referer: https://news.example?q"}, func(c *shortener.Click) {
			c.Referrer = "news.example"
		}},
		{"language in capitals", "/abc", []string{"Accept-Language: DE"}, func(c *shortener.Click) { c.Language = "de" }},
		{"any language", "/abc", []string{"Accept-Language: *"}, func(*shortener.Click) {}},
		{"no language", "/abc", []string{"Accept-Language: 1=1 or"}, func(*shortener.Click) {}},
		{"qr", "/abc?qr", nil, func(c *shortener.Click) { c.Source = shortener.SourceQR }},
		{"qr with a value", "/abc?a=b&qr=1", nil, func(c *shortener.Click) { c.Source = shortener.SourceQR }},
		{"not qr", "/abc?qrs&xqr=qr", nil, func(*shortener.Click) {}},
		{
			"campaign", "/abc?utm_source=news+letter&utm_medium=e%2dmail&utm_campaign=%F0%9F%98%80&utm_term=50%&utm_content=a%2Bb",
			nil, func(c *shortener.Click) {
				c.UTM = shortener.UTM{Source: "news letter", Medium: "e-mail", Campaign: "😀", Term: "50%", Content: "a+b"}
			},
		},
		{"the first of a name counts", "/abc?utm_source=&utm_source=a&utm_source=b", nil, func(c *shortener.Click) { c.UTM.Source = "a" }},
		{"what is no text is left out", "/abc?utm_source=a%ff%00b%0ac", nil, func(c *shortener.Click) { c.UTM.Source = "abc" }},
		{"too long", "/abc?utm_term=x" + long[:500], []string{"User-Agent: y" + long}, func(c *shortener.Click) {
			c.UTM.Term, c.UserAgent = "x"+long[:198], "y"+long[:510]
		}},
		{"agent that is no text", "/abc", []string{"User-Agent: a\xffb\xc2"}, func(c *shortener.Click) { c.UserAgent = "ab" }},
		{"prefetch", "/abc", []string{"Sec-Purpose: prefetch;prerender"}, func(c *shortener.Click) { c.Prefetch = true }},
		{"old prefetch", "/abc", []string{"X-Moz: prefetch"}, func(c *shortener.Click) { c.Prefetch = true }},
		{"older prefetch", "/abc", []string{"Purpose: prefetch"}, func(c *shortener.Click) { c.Prefetch = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, func(c *Config) { c.Geo = &fixedGeo{} }, link("abc", "https://example.com/"))
			w.wantStatus(w.get(tt.target, tt.header...), 302)
			clicks := w.clicks.all()
			if len(clicks) != 1 {
				t.Fatalf("%d clicks, want 1", len(clicks))
			}
			got := clicks[0]
			if got.Visitor == 0 {
				t.Error("Visitor = 0")
			}
			want := shortener.Click{
				At: noon, Ref: shortener.Ref{Code: "abc"}, Visitor: got.Visitor,
				Country: "GB", Region: "England", City: "London",
			}
			tt.want(&want)
			if got != want {
				t.Errorf("click\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestTheAddressOfAVisitor(t *testing.T) {
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "192.0.2.7", nil, "192.0.2.7"},
		{"spoofed", "192.0.2.7", []string{"203.0.113.9"}, "192.0.2.7"},
		{"by a proxy", "10.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"spoofed through a proxy", "10.0.0.1", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1", []string{"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"two headers", "10.0.0.1", []string{"1.1.1.1", "203.0.113.9,10.0.0.2"}, "203.0.113.9"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"all trusted", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage behind the proxy", "10.0.0.1", []string{"203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"with a port", "10.0.0.1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"IPv6 with a port", "10.0.0.1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6", "10.0.0.1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv4 in IPv6", "10.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			geo := &fixedGeo{}
			w := start(t, func(c *Config) {
				c.Geo, c.TrustedProxies = geo, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			}, link("abc", "https://example.com/"))
			var header []string
			for _, f := range tt.forwarded {
				header = append(header, "X-Forwarded-For: "+f)
			}
			w.wantStatus(w.ask(tt.peer, "GET", "/abc", header...), 302)
			if got := geo.asked[0].String(); got != tt.want {
				t.Errorf("address = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestVisitors(t *testing.T) {
	s := newSalter(nil, nil, noon)
	a, b := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")
	first := s.visitor(noon, a, "agent")
	if got := s.visitor(noon.Add(time.Hour), a, "agent"); got != first {
		t.Errorf("an hour later: %x, want the same as %x", got, first)
	}
	for name, got := range map[string]uint64{
		"another address": s.visitor(noon, b, "agent"),
		"another agent":   s.visitor(noon, a, "agent2"),
		"the next day":    s.visitor(noon.Add(12*time.Hour), a, "agent"),
		"the day before":  s.visitor(noon.Add(-13*time.Hour), a, "agent"),
		"a week later":    s.visitor(noon.Add(168*time.Hour), a, "agent"),
	} {
		if got == first {
			t.Errorf("%s is the same visitor", name)
		}
	}
}

// dailySalts gives a salt for each day, and can be out of order.
type dailySalts struct {
	down  bool
	asked []string
}

func (d *dailySalts) Salt(_ context.Context, day time.Time) (key [16]byte, err error) {
	d.asked = append(d.asked, day.Format(time.DateOnly))
	if d.down {
		return key, errDown
	}
	copy(key[:], day.Format("a salt of 060102"))
	return key, nil
}

func TestSaltsOfTheDay(t *testing.T) {
	source := &dailySalts{down: true}
	log := slog.New(slog.DiscardHandler)
	one, other := newSalter(source, log, noon), newSalter(source, log, noon)
	addr := netip.MustParseAddr("192.0.2.7")
	visitor := func(s *salter, at time.Time) uint64 { return s.visitor(at, addr, "agent") }
	if err := one.refresh(t.Context(), noon); err == nil {
		t.Error("no error though there is no salt")
	}
	private := visitor(one, noon)
	if private == visitor(other, noon) {
		t.Error("two processes without a salt see the same visitor")
	}
	source.down = false
	for _, s := range []*salter{one, other} {
		if err := s.refresh(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := visitor(one, noon), visitor(other, noon); a != b || a == private {
		t.Errorf("visitors under the salt of the day = %x, %x; before it %x", a, b, private)
	}
	late := noon.Add(12*time.Hour - time.Minute)
	today := visitor(one, late)
	for _, s := range []*salter{one, other} {
		if err := s.refresh(t.Context(), late); err != nil {
			t.Fatal(err)
		}
	}
	source.down = true
	midnight := noon.Add(12 * time.Hour)
	if got := visitor(one, late); got != today {
		t.Errorf("a minute before midnight = %x, want %x as before", got, today)
	}
	if a, b := visitor(one, midnight), visitor(other, midnight); a != b || a == today {
		t.Errorf("visitors after midnight = %x, %x, before it %x", a, b, today)
	}
	if want := []string{"2026-03-14", "2026-03-14", "2026-03-14", "2026-03-15", "2026-03-15"}; !slices.Equal(source.asked, want) {
		t.Errorf("asked for the salts of %v, want %v", source.asked, want)
	}
	_ = one.refresh(t.Context(), midnight.Add(time.Hour))
	if got := visitor(one, noon); got == today {
		t.Error("the salt of yesterday is still known")
	}
}

// The vectors are those of the authors' reference: key 00…0f, input 00…n-1. The first 16 bytes of ours
// are an address.
func TestSipHash(t *testing.T) {
	var key, addr [16]byte
	for i := range key {
		key[i], addr[i] = byte(i), byte(i)
	}
	agent := make([]byte, 47)
	for i := range agent {
		agent[i] = byte(16 + i)
	}
	for n, want := range map[int]string{
		0:  "db9bc2577fcc2a3f",
		1:  "9447be2cf5e99a69",
		47: "724506eb4c328a95",
	} {
		got := fmt.Sprintf("%x", binary.LittleEndian.AppendUint64(nil, sipHash(key, addr, string(agent[:n]))))
		if got != want {
			t.Errorf("%d bytes: %s, want %s", 16+n, got, want)
		}
	}
}

func TestWhatIsKeptIsShortCleanText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "raw"))
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
		s := newScratch()
		for name, got := range map[string]string{
			"clean":    s.clean(raw, limit),
			"unescape": s.clean(s.unescape(raw), limit),
			"referrer": s.clean(referrer(raw), limit),
		} {
			if len(got) > limit || !utf8.ValidString(got) || strings.ContainsFunc(got, isControl) {
				t.Fatalf("%s of %q at %d = %q", name, raw, limit, got)
			}
		}
		if got := s.language(raw); len(got) > shortener.MaxLanguage || strings.ToLower(got) != got || !utf8.ValidString(got) {
			t.Fatalf("language of %q = %q", raw, got)
		}
	})
}
