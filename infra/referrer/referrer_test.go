package referrer_test

import (
	"strings"
	"testing"

	"snowlink/infra/referrer"
)

func TestClassify(t *testing.T) {
	for _, test := range []struct{ name, page, source, medium, host, channel string }{
		{"nothing", "", "", "", "", "direct"},
		{"a page", "www.example.co.uk/a/b", "", "", "example.co.uk", "referral"},
		{"upper case, port and trailing dot", "WWW.Example.com.:8443/x", "", "", "example.com", "referral"},
		{"a host alone", "blog.example.org", "", "", "example.org", "referral"},
		{"a tenant of a public suffix", "somebody.github.io/post", "", "", "somebody.github.io", "referral"},
		{"IPv4", "192.0.2.7:80/x", "", "", "192.0.2.7", "referral"},
		{"IPv6", "[2001:db8::1]:80/x", "", "", "2001:db8::1", "referral"},
		{"a private network", "wiki.corp.internal/x", "", "", "wiki.corp.internal", "referral"},
		{"a single label", "intranet/wiki", "", "", "intranet", "referral"},
		{"Google of a country", "www.google.co.uk/", "", "", "google.co.uk", "search"},
		{"not Google", "google.example.net/", "", "", "example.net", "referral"},
		{"not Google either", "notgoogle.com/", "", "", "notgoogle.com", "referral"},
		{"Bing", "www.bing.com/", "", "", "bing.com", "search"},
		{"DuckDuckGo", "duckduckgo.com/", "", "", "duckduckgo.com", "search"},
		{"Yahoo's search", "uk.search.yahoo.com/", "", "", "yahoo.com", "search"},
		{"Yahoo's news", "news.yahoo.com/", "", "", "yahoo.com", "referral"},
		{"the search app of Android", "com.google.android.googlequicksearchbox/", "", "", "com.google.android.googlequicksearchbox", "search"},
		{"X's shortener", "t.co/abc", "", "", "t.co", "social"},
		{"Facebook's redirector", "l.facebook.com/", "", "", "facebook.com", "social"},
		{"Hacker News", "news.ycombinator.com/item", "", "", "ycombinator.com", "social"},
		{"Reddit", "old.reddit.com/r/x", "", "", "reddit.com", "social"},
		{"Gmail is mail, not Google", "mail.google.com/mail/u/0", "", "", "google.com", "mail"},
		{"anybody's webmail", "webmail.example.com/", "", "", "example.com", "mail"},
		{"ChatGPT", "chatgpt.com/", "", "", "chatgpt.com", "ai"},
		{"Gemini is AI, not Google", "gemini.google.com/app", "", "", "google.com", "ai"},
		{"Perplexity", "www.perplexity.ai/search/x", "", "", "perplexity.ai", "ai"},
		{"a paid medium wins over the page", "www.google.com/", "google", "cpc", "google.com", "ads"},
		{"a medium in capitals", "", "", " PPC ", "", "ads"},
		{"a newsletter opened in an app", "", "june", "email", "", "mail"},
		{"a medium that says nothing", "", "", "link", "", "direct"},
		{"a source without a page", "", "chatgpt.com", "", "", "ai"},
		{"the page wins over the source", "www.google.com/", "facebook", "", "google.com", "search"},
		{"an ad server", "googleads.g.doubleclick.net/", "", "", "doubleclick.net", "ads"},
		{"a slash", "/", "", "", "", "referral"},
		{"rubbish", "\x00 ..//::", "", "", "\x00 ", "referral"},
	} {
		host, channel := referrer.Classify(test.page, test.source, test.medium)
		if host != test.host || channel != test.channel {
			t.Errorf("%s: Classify(%q, %q, %q) = %q, %q; want %q, %q", test.name, test.page, test.source, test.medium, host, channel, test.host, test.channel)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("www.example.com:80/a", "google", "cpc")
	f.Add("[::1", "", "")
	f.Add("....", "", "")
	f.Fuzz(func(t *testing.T, page, source, medium string) {
		host, channel := referrer.Classify(page, source, medium)
		if channel == "" || page == "" && host != "" || strings.Contains(host, "/") {
			t.Errorf("Classify(%q, %q, %q) = %q, %q: no channel, or a host from nowhere", page, source, medium, host, channel)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	for b.Loop() {
		referrer.Classify("www.example.co.uk/a/b", "", "")
	}
}
