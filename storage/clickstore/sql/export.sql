-- What a page selects of clicks and producers, with the user agents spelled out, oldest first. A page holds few
-- rows: the dictionary is looked up for those alone.
WITH page AS (
	SELECT c.*, p.name FROM clicks c JOIN producers p ON p.id = c.producer {page}
)
SELECT name, seq, batch, at_ms, domain, code, visitor, country, region, city, referrer_host, referrer, channel,
       a.value, browser, os, device, language, bot, rule, utm_source, utm_medium, utm_campaign, utm_term, utm_content,
       source, head, prefetch
FROM page LEFT JOIN agents a ON a.id = page.agent
ORDER BY at_ms, name, seq
