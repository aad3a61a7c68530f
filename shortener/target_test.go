package shortener

import (
	"encoding/json"
	"errors"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var policy = NewTargets([]string{"sho.rt", "bücher.example:8080", "192.0.2.7", "[2001:db8::7]:443"})

func slugOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok && p.Kind == Invalid {
		return p.Slug
	}
	return ""
}

func TestTargetsAreSerializedAsBrowsersDo(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com/a?b=c":                "https://example.com/a?b=c",
		"https://example.com":                      "https://example.com/",
		"HTTP://EXAMPLE.com:80/%7e":                "http://example.com/%7e",
		"http:/evil.test":                          "http://evil.test/",
		`http:\\evil.test`:                         "http://evil.test/",
		`http://a.test\@b.test/`:                   "http://a.test/@b.test/",
		"  https://example.com/  ":                 "https://example.com/",
		"https://example.com/a b?c d#e f":          "https://example.com/a%20b?c%20d#e%20f",
		"https://faß.example/ü?ü#ü":                "https://xn--fa-hia.example/%C3%BC?%C3%BC#%C3%BC",
		"https://example.com/a/../b/./c":           "https://example.com/b/c",
		"https://example.com/?q='\"<>":             "https://example.com/?q=%27%22%3C%3E",
		"http://0x7f.1/":                           "http://127.0.0.1/",
		"http://[::FFFF:1.2.3.4]/":                 "http://[::ffff:102:304]/",
		"https://example.com/?mail=a@b.test":       "https://example.com/?mail=a@b.test",
		"https://example.com?a@b":                  "https://example.com/?a@b",
		"https://example.com/\u202egnp.exe":        "https://example.com/%E2%80%AEgnp.exe",
		"http://notsho.rt/":                        "http://notsho.rt/",
		"http://sho.rt.example/":                   "http://sho.rt.example/",
		"http://sub.sho.rt/":                       "http://sub.sho.rt/",
		"http://example.com/" + long(MaxTarget-19): "http://example.com/" + long(MaxTarget-19),
	} {
		if got, err := policy.Parse(raw); err != nil || got != want {
			t.Errorf("Parse(%.80q) = %.80q, %v; want %.80q", raw, got, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

func TestTargetsThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		slug string
		raws []string
	}{
		"no URL":             {"invalid-url", []string{"", " ", "example.com", "//evil", `/\evil`, "/a", "?a", "#a", "http://", "https:", "http:///", "http://?a"}},
		"other schemes":      {"invalid-url", []string{"javascript:alert(1)", "data:text/html,x", "ftp://a.test/", "file:///etc/passwd", "mailto:a@b.test", "ws://a.test", "view-source:http://a.test/", "blob:http://a.test/x"}},
		"credentials":        {"invalid-url", []string{"http://u@a.test/", "http://u:p@a.test/", "http://:p@a.test", "http://@a.test/", "http://:@a.test/", "http:u@a.test", `http:\\u@a.test`, "http://a@b@c.test/"}},
		"control characters": {"invalid-url", []string{"http://a.test/\n", "\thttp://a.test/", "ht\ntp://a.test/", "http://a.test/\r\nSet-Cookie: a=b", "http://a.test/\x00", "http://a.test/\x7f", "http://a.test/\u0085"}},
		"not UTF-8":          {"invalid-url", []string{"http://a.test/\xff", "http://\xc3/"}},
		"hosts":              {"invalid-url", []string{"http://a b/", "http://a%00b/", "http://a<b/", "http://[::1", "http://[::g]/", "http://%zz/", "http://a.test:99999/", "http://a.test:b/", "http://./", "http://../", "http://\u3002/", "http://256.256.256.256/", "http://1.2.3.4.5/", "http://xn--a/"}},
		"numbers with signs": {"invalid-url", []string{"http://-1/", "http://+1/", "http://0x-1/", "http://0x+7f.1/", "http://1.+2/", "http://\uff0b1/", "http://%2b1/"}},
		"too many brackets":  {"invalid-url", []string{"http://[[::1]]/", "http://[::1]]/", "http://[[::1]:80/"}},
		"not read again":     {"invalid-url", []string{"http://≠/"}},
		"too long":           {"url-too-long", []string{"http://a.test/" + long(MaxTarget), "http://a.test/" + strings.Repeat("ü", MaxTarget/6+1), "http://a.test/" + strings.Repeat("./", maxRaw)}},
		"own host":           {"own-host", []string{"http://sho.rt", "https://SHO.RT/a", "http://sho.rt./", "http://sho.rt../", "http://sho.rt:1234/", "http://sho%2ert/", "http://sho%2Ert%2E/", "http://ｓｈｏ.ｒｔ/", "http://sho。rt/", "http://s\u00adho.rt/", "http:sho.rt", `http:\sho.rt`, `http:/\sho.rt`, " http://sho.rt "}},
		"own international":  {"own-host", []string{"http://bücher.example/", "http://BÜCHER.example", "http://xn--bcher-kva.example:99/", "http://b%C3%BCcher.example/"}},
		"own address":        {"own-host", []string{"http://192.0.2.7/", "http://192.0.519/", "http://3221225991/", "http://0xc0000207/", "http://[::ffff:192.0.2.7]/", "http://[2001:DB8:0:0::7]/", "http://192.0.2.7./"}},
	} {
		for _, raw := range tc.raws {
			if got, err := policy.Parse(raw); slugOf(err) != tc.slug {
				t.Errorf("%s: Parse(%.80q) = %.80q, %v; want slug %s", name, raw, got, err, tc.slug)
			}
		}
	}
}

func TestLoopbackHostsAreOneAnother(t *testing.T) {
	spellings := []string{
		"localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.1", "①②⑦.0.0.1", "127.255.0.3",
		"１２７.0.0.1", "%31%32%37.1", "127.0.0.1.", "0.0.0.0", "0", "[::1]", "[0:0::0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:5]", "[::]", "[::ffff:0.0.0.0]",
	}
	for _, own := range []string{"localhost", "localhost:8080", "127.0.0.1:8080", "::1", "[::1]:8080", "0.0.0.0:80", "app.localhost"} {
		targets := NewTargets([]string{"sho.rt", own})
		for _, host := range spellings {
			if got, err := targets.Parse("http://" + host + ":9999/x"); slugOf(err) != "own-host" {
				t.Errorf("own %s: Parse of host %s = %q, %v; want own-host", own, host, got, err)
			}
		}
		for _, host := range []string{"128.0.0.1", "localhost.example", "notlocalhost", "[::2]"} {
			if _, err := targets.Parse("http://" + host + "/"); err != nil {
				t.Errorf("own %s: Parse of host %s: %v; want it accepted", own, host, err)
			}
		}
	}
	if _, err := NewTargets([]string{"sho.rt", ""}).Parse("http://localhost/"); err != nil {
		t.Errorf("without a loopback host of its own: %v; want it accepted", err)
	}
}

// corpusCase is a case of the URL parser's corpus of the web platform tests.
type corpusCase struct {
	Input    string
	Base     *string
	Href     string
	Protocol string
	Hostname string
	Username string
	Password string
	Failure  bool
}

func corpus(t testing.TB) []corpusCase {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/nlnwa/whatwg-url").Output()
	if err != nil {
		t.Fatalf("find the corpus: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "urltestdata.json"))
	if err != nil {
		t.Fatalf("read the corpus: %v", err)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		t.Fatalf("read the corpus: %v", err)
	}
	var cases []corpusCase
	for _, e := range entries {
		var c corpusCase
		if e[0] == '{' {
			if err := json.Unmarshal(e, &c); err != nil {
				t.Fatalf("read the corpus: %v", err)
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// ours reports whether the case means the same without a base URL.
func (c corpusCase) ours() bool {
	return c.Base == nil || *c.Base == "about:blank" || strings.HasPrefix(c.Input, "http://") || strings.HasPrefix(c.Input, "https://")
}

func TestTheCorpusIsRefusedOrReadAsItSays(t *testing.T) {
	accepted, wanted := 0, 0
	for _, c := range corpus(t) {
		if !c.ours() {
			continue
		}
		if !c.Failure && (c.Protocol == "http:" || c.Protocol == "https:") && !strings.Contains(c.Input, "@") && !strings.ContainsFunc(c.Input, isControl) {
			wanted++
		}
		got, err := policy.Parse(c.Input)
		if err != nil {
			continue
		}
		accepted++
		u, _ := parseURL(got)
		if c.Failure || got != c.Href || u.host != c.Hostname || c.Username+c.Password != "" {
			t.Errorf("Parse(%q) = %q of host %q, want %q of %q, failure %v", c.Input, got, u.host, c.Href, c.Hostname, c.Failure)
		}
		wantStable(t, got)
	}
	if accepted < 100 || accepted < wanted*9/10 {
		t.Errorf("accepted %d inputs of the %d that lead somewhere, want nearly all", accepted, wanted)
	}
	t.Logf("accepted %d of %d", accepted, wanted)
}

// wantStable checks what every stored target promises.
func wantStable(t *testing.T, href string) {
	t.Helper()
	again, err := policy.Parse(href)
	if err != nil || again != href {
		t.Errorf("Parse(%q) again = %q, %v", href, again, err)
	}
	if strings.ContainsFunc(href, func(r rune) bool { return r <= ' ' || r > '~' }) || len(href) > MaxTarget {
		t.Errorf("%q is not fit for a header", href)
	}
	if !strings.HasPrefix(href, "http://") && !strings.HasPrefix(href, "https://") {
		t.Errorf("%q is neither http nor https", href)
	}
}

func FuzzTarget(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.Input)
	}
	for _, s := range []string{"http://[1:2:3:4:5:6:7:1.2.3.4]/", "http://0x7f.1", "http://≠", "http://[[::1]]", "http://+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		href, err := policy.Parse(raw)
		if err != nil {
			if slugOf(err) == "" {
				t.Fatalf("Parse(%q): unclassified error %v", raw, err)
			}
			return
		}
		wantStable(t, href)
		// An independent parser, where it takes the stored form at all, sees the same host.
		u, fault := parseURL(href)
		if other, err := neturl.Parse(href); err == nil && (fault != "" || other.Hostname() != strings.Trim(u.host, "[]") || other.User != nil) {
			t.Errorf("Parse(%q) = %q: host %q, net/url says %q", raw, href, u.host, other.Hostname())
		}
	})
}

func BenchmarkTargetsParse(b *testing.B) {
	for b.Loop() {
		if _, err := policy.Parse("https://example.com/a/b/c?utm_source=x&utm_medium=y#z"); err != nil {
			b.Fatal(err)
		}
	}
}
