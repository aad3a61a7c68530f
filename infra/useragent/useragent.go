// Package useragent tells from a User-Agent header what a visitor uses, and whether it is a person.
//
// Whatever the header holds, an answer takes bounded time and memory: the string is cut, every pattern
// is matched in linear time, and the cache has a fixed number of entries.
package useragent

import (
	"strings"
	"sync"

	"github.com/mileusna/useragent"
)

// Agent is what a User-Agent header tells. What is not known is "".
type Agent struct {
	Browser string // its name without a version; of a bot, the name it gives
	OS      string
	Device  string // desktop, mobile, tablet, tv, bot or other
	Bot     string // "" for a person, else preview, search, ai, monitor, library or other
}

// The devices.
const (
	deviceDesktop = "desktop"
	deviceMobile  = "mobile"
	deviceTablet  = "tablet"
	deviceTV      = "tv"
	deviceBot     = "bot"
	deviceOther   = "other"
)

const (
	maxLength = 1024 // of a header, in bytes; the rest is not looked at
	maxName   = 40   // of a browser, in bytes; a longer one is none
)

// Classify returns what a header tells. An empty one is a bot of class other: every browser names
// itself.
func Classify(header string) Agent {
	header = header[:min(len(header), maxLength)]
	lower := strings.ToLower(header)
	parsed := useragent.Parse(header)
	a := Agent{Browser: browser(parsed, lower), OS: parsed.OS, Bot: botClass(lower)}
	a.Device = device(parsed, lower, a.Bot != "")
	return a
}

// apps are browsers inside of apps, and some that the parser does not know by name.
var apps = []struct{ token, name string }{
	{"micromessenger/", "WeChat"},
	{" line/", "LINE"},
	{"linkedinapp", "LinkedIn App"},
	{"snapchat/", "Snapchat App"},
	{"[pinterest/", "Pinterest App"},
	{"twitter for ", "X App"},
	{"duckduckgo/", "DuckDuckGo"},
	{" ddg/", "DuckDuckGo"},
	{"yabrowser/", "Yandex Browser"},
	{"ucbrowser/", "UC Browser"},
	{"musical_ly", "TikTok App"},
	{"bytedancewebview", "TikTok App"},
	{"instagram ", "Instagram App"},
	{"[fban/", "Facebook App"},
	{"[fb_iab/", "Facebook App"},
	{";fbav/", "Facebook App"},
}

func browser(parsed useragent.UserAgent, lower string) string {
	for _, app := range apps {
		if strings.Contains(lower, app.token) {
			return app.name
		}
	}
	if len(parsed.Name) > maxName {
		return ""
	}
	return parsed.Name
}

// tvs are tokens of television sets and the boxes beside them.
var tvs = []string{
	"smart-tv", "smarttv", "googletv", "android tv", "appletv", "apple tv", "hbbtv", "netcast", "web0s", "webos.tv", "bravia",
	"roku/", "crkey", "; aft", " tv safari/", "viera", "playstation", "xbox", "nintendo",
}

func device(parsed useragent.UserAgent, lower string, bot bool) string {
	switch {
	case bot:
		return deviceBot
	case containsAny(lower, tvs):
		return deviceTV
	// Browsers on Android leave Mobile out on tablets, and nowhere else.
	case parsed.Tablet, parsed.OS == useragent.Android && strings.Contains(lower, "applewebkit") && !strings.Contains(lower, "mobile"):
		return deviceTablet
	case parsed.Mobile:
		return deviceMobile
	case parsed.Desktop:
		return deviceDesktop
	}
	return deviceOther
}

func containsAny(s string, tokens []string) bool {
	for _, token := range tokens {
		if strings.Contains(s, token) {
			return true
		}
	}
	return false
}

// DefaultEntries is the number of headers a Cache holds if it is not told another.
const DefaultEntries = 20_000

// Cache remembers the answers for the headers seen last. It is safe for concurrent use.
//
// It has two generations: what is looked up moves into the young one, and when that is full it becomes
// the old one, whose predecessor is dropped. So a header that is seen again stays, and one that was
// made up for a single request goes, without a list to keep.
type Cache struct {
	half int

	mu         sync.Mutex
	young, old map[string]Agent
}

// NewCache returns a cache for the given number of headers; 0 means DefaultEntries.
func NewCache(entries int) *Cache {
	if entries <= 0 {
		entries = DefaultEntries
	}
	return &Cache{half: max(entries/2, 1), young: map[string]Agent{}}
}

// Classify returns what the function Classify does. It keeps header.
func (c *Cache) Classify(header string) Agent {
	header = header[:min(len(header), maxLength)]
	if a, ok := c.lookUp(header); ok {
		return a
	}
	a := Classify(header)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remember(header, a)
	return a
}

func (c *Cache) lookUp(header string) (Agent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.young[header]
	if ok {
		return a, true
	}
	if a, ok = c.old[header]; ok {
		c.remember(header, a)
	}
	return a, ok
}

// remember needs c.mu.
func (c *Cache) remember(header string, a Agent) {
	if len(c.young) >= c.half {
		c.young, c.old = make(map[string]Agent, c.half), c.young
	}
	c.young[header] = a
}
