package useragent

import "strings"

// The classes of bots.
const (
	classPreview = "preview" // fetches a page to show it beside a link
	classSearch  = "search"
	classAI      = "ai" // gathers for, or on behalf of, a language model
	classMonitor = "monitor"
	classLibrary = "library" // an HTTP library or a browser driven by a program
	classOther   = "other"
)

// classes are the bots known by name, in lower case. The first class that has a token in the header
// wins; tokens that begin with ^ stand at its beginning only.
var classes = []struct {
	class  string
	tokens []string
}{
	{classAI, []string{
		"gptbot", "chatgpt-user", "oai-searchbot", "^openai/", "claudebot", "claude-user", "claude-searchbot", "claude-web", "^claude-code/",
		"anthropic-ai", "perplexitybot", "perplexity-user", "google-extended", "google-cloudvertexbot", "googleagent", "gemini-deep-research",
		"google-notebooklm", "ccbot", "bytespider", "tiktokspider", "amazonbot", "cohere-ai", "cohere-training", "meta-externalagent",
		"meta-externalfetcher", "diffbot", "applebot-extended", "mistralai-user", "duckassistbot", "youbot", "ai2bot", "timpibot",
		"omgili", "imagesiftbot", "deepseekbot", "grokbot", "xai-", "pangubot", "velenpublicwebcrawler", "webzio-extended", "kagi-fetcher",
		"phindbot", "firecrawl", "novaact", "devin/", "manus-user/", "cursor/", "qualifiedbot", "linerbot", "cotoyogi", "friendlycrawler",
	}},
	{classPreview, []string{
		"facebookexternalhit", "facebookcatalog", "facebot", "twitterbot", "slackbot", "slack-imgproxy", "discordbot", "telegrambot",
		"^whatsapp/", "linkedinbot", "skypeuripreview", "microsoftpreview", "pinterestbot", "pinterest/0.", "redditbot", "embedly",
		"iframely", "^mastodon/", "http.rb/", "^pleroma", "^misskey", "^akkoma", "lemmy/", "cardyb/", "vkshare", "^viber", "line-poker",
		"kakaotalk-scrap", "snap url preview", "^snapchat/", "tumblr/", "flipboard", "bitlybot", "bitrix link preview", "linkpreview",
		"link-preview", "unfurl", "zoombot", "^zoom marketplace/", "google-pagerenderer", "nextcloud", "^synapse", "matrix-media", "xing-contenttabreceiver",
		"qzone", "outlook-ios-preview", "yahoo link preview", "yahoomailproxy", "googleimageproxy", "quora link preview", "w3c_validator",
		"^signal", "trellobot", "notionembedder", "^zalo", "odklbot", "swisscows", "steamchaturllookup",
	}},
	{classMonitor, []string{
		"uptimerobot", "pingdom", "statuscake", "site24x7", "datadog", "newrelicpinger", "new relic", "betteruptime", "better uptime",
		"better stack", "checkly", "hetrixtools", "gtmetrix", "chrome-lighthouse", "google page speed", "google-site-verification", "pagespeed",
		"check_http", "nagios", "zabbix", "blackbox exporter", "blackbox-exporter", "^prometheus/", "^kube-probe/", "elb-healthchecker", "^googlehc/",
		"googlestackdrivermonitoring", "updown.io", "freshping", "catchpoint", "amazon-route53-health-check", "cloudflare-healthchecks",
		"uptime-kuma", "dotcom-monitor", "montastic", "^consul health check", "dynatrace", "speedcurve", "ptst/", "rigor", "^monit/",
		"grafana", "alertsite", "oh dear", "cron-job.org", "^hc-ping", "netcraft", "sentryuptimebot", "instatus",
	}},
	{classSearch, []string{
		"googlebot", "adsbot-google", "mediapartners-google", "google-inspectiontool", "storebot-google", "googleother", "apis-google",
		"feedfetcher-google", "google favicon", "bingbot", "adidxbot", "msnbot", "bingpreview", "yandex.com/bots", "yandexbot", "yandexmobilebot",
		"baiduspider", "duckduckbot", "^duckduckgo-favicons", "applebot", "yahoo! slurp", "sogou", "petalbot", "seznambot", "yeti/", "naverbot",
		"daum/", "qwantify", "qwantbot", "exabot", "mojeekbot", "coccocbot", "360spider", "haosouspider", "yisouspider", "kagibot", "bravebot",
		"marginalia", "presearch", "yacybot", "archive.org_bot", "ia_archiver", "startpagebot",
	}},
	{classLibrary, []string{
		"^curl/", "^wget/", "^python", "python-requests", "python-urllib", "aiohttp", "python-httpx", "^go-http-client", "^okhttp", "^java/",
		"apache-httpclient", "^apache-http", "^axios/", "^node", "node-fetch", "undici", "^got ", "^got/", "postmanruntime", "insomnia/", "libwww-perl",
		"lwp-", "guzzlehttp", "^php", "^ruby", "faraday", "rest-client", "scrapy", "headlesschrome", "phantomjs", "puppeteer", "playwright",
		"selenium", "cypress/", "^dart/", "restsharp", "^httpie", "^reqwest", "^hyper/", "winhttp", "powershell", "^ktor", "^jersey",
		"^fasthttp", "^resty", "go-resty", "^colly", "mechanize", "^superagent", "^bun/", "^deno/", "^rust", "^perl", "httrack", "^aria2",
		"^libcurl", "^urllib", "^unirest", "^snoopy", "^lua-resty", "^elixir", "^hackney", "^finch", "^vert.x", "^reactornetty", "^spring",
	}},
}

// botClass returns the class of a header in lower case, "" for that of a person.
func botClass(lower string) string {
	for _, c := range classes {
		for _, token := range c.tokens {
			if rest, anchored := strings.CutPrefix(token, "^"); anchored && strings.HasPrefix(lower, rest) ||
				!anchored && strings.Contains(lower, token) {
				return c.class
			}
		}
	}
	if strings.TrimSpace(lower) == "" || suspicious().match(lower) {
		return classOther
	}
	return ""
}
