package useragent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const webkit = " AppleWebKit/537.36 (KHTML, like Gecko) "

var people = []struct{ name, header, browser, os, device string }{
	{"Chrome on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit + "Chrome/126.0.0.0 Safari/537.36", "Chrome", "Windows", "desktop"},
	{"Edge on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit + "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "Edge", "Windows", "desktop"},
	{"Opera on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" + webkit + "Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0", "Opera", "macOS", "desktop"},
	{"Vivaldi", "Mozilla/5.0 (X11; Linux x86_64)" + webkit + "Chrome/124.0.0.0 Safari/537.36 Vivaldi/6.7.3329.35", "Vivaldi", "Linux", "desktop"},
	{"Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "Linux", "desktop"},
	{"Firefox on Android", "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox", "Android", "mobile"},
	{"Firefox on iOS", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iOS", "mobile"},
	{"Safari on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "Safari", "macOS", "desktop"},
	{"Safari on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "iOS", "mobile"},
	{"Safari on iPad", "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1", "Safari", "iOS", "tablet"},
	{"Chrome on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1", "Chrome", "iOS", "mobile"},
	{"Chrome on Android", "Mozilla/5.0 (Linux; Android 10; K)" + webkit + "Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome", "Android", "mobile"},
	{"Chrome on an Android tablet", "Mozilla/5.0 (Linux; Android 13; SM-X906C)" + webkit + "Chrome/126.0.0.0 Safari/537.36", "Chrome", "Android", "tablet"},
	{"Samsung Internet", "Mozilla/5.0 (Linux; Android 14; SM-S921B)" + webkit + "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36", "Samsung Browser", "Android", "mobile"},
	{"a phone called CUBOT", "Mozilla/5.0 (Linux; Android 12; CUBOT X30)" + webkit + "Chrome/120.0.0.0 Mobile Safari/537.36", "Chrome", "Android", "mobile"},
	{"a Pixel that says Google", "Mozilla/5.0 (Linux; Android 14; Google Pixel 8)" + webkit + "Chrome/120.0.0.0 Mobile Safari/537.36", "Chrome", "Android", "mobile"},
	{"Chrome OS", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + webkit + "Chrome/126.0.0.0 Safari/537.36", "Chrome", "ChromeOS", "desktop"},
	{"Internet Explorer", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)", "Internet Explorer", "Windows", "desktop"},
	{"Facebook on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.36.104;FBBV/604085560;FBDV/iPhone14,5]", "Facebook App", "iOS", "mobile"},
	{"Facebook on Android", "Mozilla/5.0 (Linux; Android 14; SM-A546B; wv)" + webkit + "Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/467.0.0.49.109;]", "Facebook App", "Android", "mobile"},
	{"Instagram", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E219 Instagram 334.0.4.32.98 (iPhone14,5; iOS 17_4; en_GB)", "Instagram App", "iOS", "mobile"},
	{"WeChat", "Mozilla/5.0 (Linux; Android 13; M2102J2SC)" + webkit + "Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 MMWEBID/1 MicroMessenger/8.0.49.2600(0x28003133) NetType/WIFI Language/zh_CN", "WeChat", "Android", "mobile"},
	{"LINE", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.9.0", "LINE", "iOS", "mobile"},
	{"a Samsung television", "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36", "", "", "tv"},
	{"a Fire TV", "Mozilla/5.0 (Linux; Android 7.1.2; AFTMM Build/NS6265; wv)" + webkit + "Version/4.0 Chrome/70.0.3538.110 Mobile Safari/537.36", "Chrome", "Android", "tv"},
}

func TestPeople(t *testing.T) {
	for _, test := range people {
		got := Classify(test.header)
		want := Agent{Browser: test.browser, OS: test.os, Device: test.device}
		if test.browser == "" { // whatever a television calls itself
			want.Browser, want.OS = got.Browser, got.OS
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, want)
		}
	}
}

func TestBots(t *testing.T) {
	for _, test := range []struct{ class, header string }{
		{"other", ""},
		{"other", "   "},
		{"other", "-"},
		{"preview", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
		{"preview", "Twitterbot/1.0"},
		{"preview", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
		{"preview", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"},
		{"preview", "TelegramBot (like TwitterBot)"},
		{"preview", "WhatsApp/2.23.20.0 A"},
		{"preview", "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)"},
		{"preview", "Mastodon/4.2.8 (http.rb/5.1.1; +https://mastodon.social/) Bot"},
		{"search", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
		{"search", "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P)" + webkit + "Chrome/125.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
		{"search", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"},
		{"search", "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"},
		{"search", "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)"},
		{"search", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)"},
		{"ai", "Mozilla/5.0" + webkit + "; compatible; GPTBot/1.2; +https://openai.com/gptbot)"},
		{"ai", "Mozilla/5.0" + webkit + "; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)"},
		{"ai", "Mozilla/5.0" + webkit + "; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)"},
		{"ai", "CCBot/2.0 (https://commoncrawl.org/faq/)"},
		{"ai", "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)"},
		{"monitor", "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"},
		{"monitor", "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)"},
		{"monitor", "kube-probe/1.29"},
		{"monitor", "ELB-HealthChecker/2.0"},
		{"library", "curl/8.5.0"},
		{"library", "Wget/1.21.4"},
		{"library", "python-requests/2.32.3"},
		{"library", "Go-http-client/2.0"},
		{"library", "okhttp/4.12.0"},
		{"library", "Mozilla/5.0 (X11; Linux x86_64)" + webkit + "HeadlessChrome/126.0.0.0 Safari/537.36"},
		{"library", "PostmanRuntime/7.39.0"},
		{"other", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"},
		{"other", "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)"},
		{"other", "my-own-crawler"},
		{"other", "Expanse, a Palo Alto Networks company, searches across the global IPv4 space"},
	} {
		if got := Classify(test.header); got.Bot != test.class || got.Device != deviceBot {
			t.Errorf("Classify(%q) = %+v, want class %s and device bot", test.header, got, test.class)
		}
	}
}

// The split patterns must say of every header what isbot's own expressions say. Where Go has no
// lookaround the other side of the comparison is the pattern without it: it may match more.
func TestSplitPatternsMatchWhatTheExpressionsMatch(t *testing.T) {
	var sources []string
	if err := json.Unmarshal(patternsJSON, &sources); err != nil {
		t.Fatal(err)
	}
	headers := []string{
		"a bot", "robots_x", "cubot", " cubot", "camscan", "scan", "libhttp", "http", "java;", "java/1", "gnews", "xnews", "newssapphire",
		"google/google", "googlewv", "xgoogle ", "agent", "agents", "dlc", "dlcx", "perl 5", "superlative", "a.com", "a.community", "|", "x", "24x7",
	}
	for _, p := range people {
		headers = append(headers, strings.ToLower(p.header))
	}
	for _, header := range headers {
		plain, withLookaround := false, false
		for _, source := range sources {
			if _, ok := lookarounds[source]; !ok {
				plain = plain || regexp.MustCompile(source).MatchString(header)
				continue
			}
			for i := range lookarounds[source] {
				withLookaround = withLookaround || lookarounds[source][i].in(header)
			}
		}
		if got, want := suspicious().match(header), plain || withLookaround; got != want {
			t.Errorf("match(%q) = %t, want %t", header, got, want)
		}
	}
	for header, want := range map[string]bool{
		"mozilla/5.0 (x cubot y": false, "mozilla/5.0 (x robot y": true, "mozilla/5.0 (x botany y": false, "mozilla/5.0 (x bots_ y": true,
		"mozilla/5.0 (x gnews y": false, "mozilla/5.0 (x news y": true, "mozilla/5.0 (x newssapphire y": false,
		"mozilla/5.0 (x camscan y": false, "mozilla/5.0 (x scan camscan y": true, "mozilla/5.0 (x libhttp y": false, "mozilla/5.0 (x http y": true,
		"mozilla/5.0 (x google pixel y": false, "mozilla/5.0 (x google y": true, "mozilla/5.0 (x java; y": false, "mozilla/5.0 (x java y": true,
	} {
		if got := suspicious().match(header); got != want {
			t.Errorf("match(%q) = %t, want %t", header, got, want)
		}
	}
}

func TestFewPatternsAreExpressions(t *testing.T) {
	p := suspicious()
	if got := len(p.expressions); got > 25 {
		t.Errorf("%d expressions beside %d literals and %d prefixes, want 25 at most: %v", got, len(p.literals), len(p.prefixes), p.expressions)
	}
	for _, l := range p.literals {
		if l.text == "" || l.text != strings.ToLower(l.text) {
			t.Errorf("literal %+v, want lower case text", l)
		}
	}
}

func TestCache(t *testing.T) {
	c := NewCache(10)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 2_000 {
				header := fmt.Sprintf("curl/%d.%d", worker, i%50)
				if got := c.Classify(header); got.Bot != classLibrary {
					t.Errorf("Classify(%q) = %+v, want a library", header, got)
				}
			}
		})
	}
	wg.Wait()
	if got := len(c.young) + len(c.old); got > 10 {
		t.Errorf("%d entries, want 10 at most", got)
	}
	if huge := strings.Repeat("x", 1<<20); c.Classify(huge) != Classify(huge) {
		t.Error("the cache and the function differ about a long header")
	}
	for header := range c.young {
		if len(header) > maxLength {
			t.Errorf("the cache holds a header of %d bytes, want %d at most", len(header), maxLength)
		}
	}
}

func TestCacheKeepsWhatIsSeenAgain(t *testing.T) {
	c := NewCache(10)
	c.Classify("curl/1")
	for i := range 100 {
		c.Classify(fmt.Sprint("made up ", i))
		if _, ok := c.lookUp("curl/1"); !ok {
			t.Fatalf("forgotten after %d other headers, though it was looked up between them", i+1)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, p := range people {
		f.Add(p.header)
	}
	f.Add("\xff\x00;();/")
	f.Fuzz(func(t *testing.T, header string) {
		got := Classify(header)
		if len(got.Browser) > maxName || got.Device == "" || (got.Bot != "") != (got.Device == deviceBot) {
			t.Errorf("Classify(%q) = %+v, which contradicts itself", header, got)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	chrome := people[0].header
	b.Run("new person", func(b *testing.B) {
		for b.Loop() {
			Classify(chrome)
		}
	})
	b.Run("bot class alone", func(b *testing.B) {
		lower := strings.ToLower(chrome)
		for b.Loop() {
			botClass(lower)
		}
	})
	b.Run("longest header", func(b *testing.B) {
		header := chrome + strings.Repeat(" ab.c", 200)
		for b.Loop() {
			Classify(header)
		}
	})
	b.Run("seen before", func(b *testing.B) {
		c := NewCache(0)
		for b.Loop() {
			c.Classify(chrome)
		}
	})
}
