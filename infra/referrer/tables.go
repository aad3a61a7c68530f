package referrer

// media are the values of utm_medium that tell a channel.
var media = map[string]string{
	"cpc": Ads, "ppc": Ads, "cpm": Ads, "cpv": Ads, "cpa": Ads, "paid": Ads, "paidsearch": Ads, "paid-search": Ads, "paid_search": Ads,
	"paidsocial": Ads, "paid-social": Ads, "paid_social": Ads, "display": Ads, "banner": Ads, "ads": Ads, "ad": Ads, "retargeting": Ads,
	"email": Mail, "e-mail": Mail, "mail": Mail, "newsletter": Mail,
	"social": Social, "social-media": Social, "social_media": Social, "socialmedia": Social, "sm": Social,
	"organic": Search,
}

// sources are the values of utm_source that tell a channel if nothing else does.
var sources = map[string]string{
	"newsletter": Mail, "email": Mail, "mailchimp": Mail, "substack": Mail,
	"facebook": Social, "fb": Social, "instagram": Social, "ig": Social, "twitter": Social, "x": Social, "linkedin": Social, "reddit": Social,
	"tiktok": Social, "youtube": Social, "pinterest": Social, "mastodon": Social, "bluesky": Social, "threads": Social, "whatsapp": Social,
	"telegram": Social, "discord": Social, "slack": Social,
	"google": Search, "bing": Search, "duckduckgo": Search,
	"chatgpt.com": AI, "chatgpt": AI, "openai": AI, "perplexity": AI, "claude": AI, "gemini": AI, "copilot": AI,
}

// worldwide are names that have a host under the suffixes of many countries.
var worldwide = map[string]string{
	"google": Search, "bing": Search, "yandex": Search, "yahoo": Search, "qwant": Search, "ecosia": Search, "startpage": Search,
	"facebook": Social, "instagram": Social, "pinterest": Social,
}

// hosts are hosts with all below them; the longest that fits wins. Apps of Android send their name.
var hosts = map[string]string{
	"duckduckgo.com": Search, "search.brave.com": Search, "kagi.com": Search, "baidu.com": Search, "ya.ru": Search, "sogou.com": Search,
	"so.com": Search, "naver.com": Search, "daum.net": Search, "seznam.cz": Search, "mojeek.com": Search, "swisscows.com": Search,
	"metager.org": Search, "metager.de": Search, "presearch.com": Search, "search.marginalia.nu": Search, "ask.com": Search, "aol.com": Search,
	"coccoc.com": Search, "search.yahoo.co.jp": Search, "com.google.android.googlequicksearchbox": Search,

	"chatgpt.com": AI, "chat.openai.com": AI, "openai.com": AI, "perplexity.ai": AI, "claude.ai": AI, "gemini.google.com": AI,
	"bard.google.com": AI, "notebooklm.google.com": AI, "aistudio.google.com": AI, "copilot.microsoft.com": AI, "chat.deepseek.com": AI,
	"deepseek.com": AI, "grok.com": AI, "x.ai": AI, "meta.ai": AI, "mistral.ai": AI, "you.com": AI, "phind.com": AI, "poe.com": AI,
	"kimi.com": AI, "qwen.ai": AI, "doubao.com": AI, "duck.ai": AI, "character.ai": AI, "huggingface.co": AI, "pi.ai": AI,

	"twitter.com": Social, "x.com": Social, "t.co": Social, "fb.com": Social, "fb.me": Social, "messenger.com": Social, "threads.net": Social,
	"threads.com": Social, "linkedin.com": Social, "lnkd.in": Social, "reddit.com": Social, "redd.it": Social, "tiktok.com": Social,
	"youtube.com": Social, "youtu.be": Social, "pin.it": Social, "snapchat.com": Social, "whatsapp.com": Social, "wa.me": Social,
	"telegram.org": Social, "t.me": Social, "telegram.me": Social, "web.telegram.org": Social, "discord.com": Social, "discord.gg": Social,
	"slack.com": Social, "teams.microsoft.com": Social, "vk.com": Social, "ok.ru": Social, "weibo.com": Social, "weibo.cn": Social,
	"wechat.com": Social, "weixin.qq.com": Social, "line.me": Social, "kakao.com": Social, "tumblr.com": Social, "quora.com": Social,
	"medium.com": Social, "news.ycombinator.com": Social, "lobste.rs": Social, "bsky.app": Social, "mastodon.social": Social,
	"mastodon.online": Social, "fosstodon.org": Social, "hachyderm.io": Social, "infosec.exchange": Social, "lemmy.world": Social,
	"xing.com": Social, "twitch.tv": Social, "vimeo.com": Social, "producthunt.com": Social, "flipboard.com": Social, "nextdoor.com": Social,
	"com.linkedin.android": Social, "com.twitter.android": Social, "org.telegram.messenger": Social, "com.slack": Social, "com.reddit.frontpage": Social,

	"mail.google.com": Mail, "com.google.android.gm": Mail, "outlook.com": Mail, "outlook.live.com": Mail, "outlook.office.com": Mail,
	"outlook.office365.com": Mail, "proton.me": Mail, "protonmail.com": Mail, "mail.ru": Mail, "gmx.net": Mail, "web.de": Mail,
	"fastmail.com": Mail, "tutanota.com": Mail, "tuta.com": Mail, "app.hey.com": Mail, "mail.yahoo.com": Mail, "mail.proton.me": Mail,
	"icloud.com": Mail, "zoho.com": Mail, "substack.com": Mail, "mailchi.mp": Mail, "list-manage.com": Mail,

	"googleadservices.com": Ads, "doubleclick.net": Ads, "googlesyndication.com": Ads, "taboola.com": Ads, "outbrain.com": Ads,
	"adnxs.com": Ads, "criteo.com": Ads,
}
