package ingest

import (
	"fmt"

	"snowlink/shortener"
)

// The bot classes that the request itself gives away.
const (
	botHead     = "head"
	botPrefetch = "prefetch"
)

// channelInternal is the channel of clicks from the service's own pages.
const channelInternal = "internal"

// Agent is what a user agent string tells.
type Agent struct {
	Browser, OS, Device string
	Bot                 string // the bot class, "" for a person
}

// Enricher finds out what a click does not say of itself. Its functions are pure and safe for
// concurrent use; all of them have to be given.
type Enricher struct {
	// Agent classifies a user agent string, which may be empty or anything.
	Agent func(userAgent string) Agent
	// Referrer returns the registrable host of a referring page, which is host and path, and the
	// channel that the page and the campaign stand for.
	Referrer func(page, utmSource, utmMedium string) (host, channel string)
	// OwnHost reports whether a referring page, host and path, is the service's own.
	OwnHost func(page string) bool
}

// Enrich returns the click with everything the store keeps but its identity. A HEAD request and a
// prefetch are bots whatever their user agent.
func (e Enricher) Enrich(c shortener.Click) shortener.StoredClick {
	agent := e.Agent(c.UserAgent)
	host, channel := e.Referrer(c.Referrer, c.UTM.Source, c.UTM.Medium)
	if c.Referrer != "" && e.OwnHost(c.Referrer) {
		channel = channelInternal
	}
	bot := agent.Bot
	switch {
	case c.Head:
		bot = botHead
	case c.Prefetch:
		bot = botPrefetch
	}
	return shortener.StoredClick{
		Click: c, ReferrerHost: host, Channel: channel,
		Browser: agent.Browser, OS: agent.OS, Device: agent.Device, Bot: bot,
	}
}

// Batch decodes and enriches what an edge sent. A click of no bytes is one that the edge knows to be
// lost: it leaves a gap in the sequence, which the click store's verification tells of. Any other
// click that cannot be decoded condemns the batch: it may be of a newer edge, which keeps it until a
// newer worker has counted it.
func (e Enricher) Batch(raw []byte) (shortener.IngestBatch, error) {
	b, err := shortener.DecodeBatch(raw)
	if err != nil {
		return shortener.IngestBatch{}, err
	}
	out := shortener.IngestBatch{Producer: b.Producer, Number: b.Number, Clicks: make([]shortener.StoredClick, 0, len(b.Clicks))}
	for i, encoded := range b.Clicks {
		if len(encoded) == 0 {
			continue
		}
		c, err := shortener.DecodeClick(encoded)
		if err != nil {
			return shortener.IngestBatch{}, fmt.Errorf("batch %d of %s, click %d: %w", b.Number, b.Producer, i, err)
		}
		stored := e.Enrich(c)
		stored.Producer, stored.Batch, stored.Seq = b.Producer, b.Number, b.FirstSeq+uint64(i)
		out.Clicks = append(out.Clicks, stored)
	}
	return out, nil
}
