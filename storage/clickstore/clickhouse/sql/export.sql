SELECT producer, seq, batch, at_ms, domain, code, visitor, country, region, city, referrer_host, referrer, channel,
       user_agent, browser, os, device, language, bot, rule, utm_source, utm_medium, utm_campaign, utm_term, utm_content,
       source, head, prefetch
FROM clicks
{selection}
