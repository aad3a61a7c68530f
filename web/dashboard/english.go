package dashboard

// english has the texts whose keys are words of the REST interface.
var english = map[string]string{
	"range today": "Today", "range yesterday": "Yesterday", "range 24h": "24 hours", "range 7d": "7 days", "range 28d": "28 days",
	"range 90d": "90 days", "range mtd": "This month", "range ytd": "This year", "range 12mo": "12 months", "range all": "All time",

	"code": "Link", "domain": "Domain", "tag": "Tag", "channel": "Channel", "referrer": "Site", "referrer_url": "Page", "country": "Country",
	"region": "Region", "city": "City", "device": "Device", "browser": "Browser", "os": "System", "language": "Language", "bot": "Kind of bot",
	"utm_source": "UTM source", "utm_medium": "UTM medium", "utm_campaign": "UTM campaign", "utm_term": "UTM term", "utm_content": "UTM content",
	"rule": "Rule", "source": "Link or QR", "bots": "Bots",

	"active": "Active", "scheduled": "Scheduled", "expired": "Expired", "disabled": "Disabled", "deleted": "Deleted",
}
