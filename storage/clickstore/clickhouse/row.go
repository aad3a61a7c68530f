package clickhouse

import (
	"encoding/binary"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// click is a click on its way into the table.
type click struct {
	*shortener.StoredClick
	attempt uint64
}

// hourMillis is the length of an hour.
const hourMillis = int64(time.Hour / time.Millisecond)

// hourOf returns the value of the column hour.
func hourOf(at time.Time) int64 {
	ms := at.UnixMilli()
	hour := ms / hourMillis
	if ms%hourMillis < 0 {
		hour--
	}
	return hour
}

// clickColumns are the columns of clicks as they are inserted on a day.
func clickColumns(day time.Time) []column[click] {
	stored := uint16(day.Unix() / 86400)
	word := func(name string, of func(c click) string) column[click] {
		return words(name, func(c click) string { return clicks.Text(of(c)) })
	}
	return []column[click]{
		{name: "stored", kind: "Date", put: func(dst []byte, _ click) []byte { return binary.LittleEndian.AppendUint16(dst, stored) }},
		int64s("hour", func(c click) int64 { return hourOf(c.At) }),
		texts("producer", func(c click) string { return c.Producer }),
		uint64s("batch", func(c click) uint64 { return c.Batch }),
		uint64s("attempt", func(c click) uint64 { return c.attempt }),
		uint64s("seq", func(c click) uint64 { return c.Seq }),
		int64s("at_ms", func(c click) int64 { return c.At.UnixMilli() }),
		word("domain", func(c click) string { return c.Ref.Domain }),
		word("code", func(c click) string { return c.Ref.Code }),
		uint64s("visitor", func(c click) uint64 { return c.Visitor }),
		word("country", func(c click) string { return c.Country }),
		word("region", func(c click) string { return c.Region }),
		word("city", func(c click) string { return c.City }),
		word("referrer_host", func(c click) string { return c.ReferrerHost }),
		word("referrer", func(c click) string { return c.Referrer }),
		word("channel", func(c click) string { return c.Channel }),
		word("user_agent", func(c click) string { return c.UserAgent }),
		word("browser", func(c click) string { return c.Browser }),
		word("os", func(c click) string { return c.OS }),
		word("device", func(c click) string { return c.Device }),
		word("language", func(c click) string { return c.Language }),
		word("bot", func(c click) string { return c.Bot }),
		word("rule", func(c click) string { return c.Rule }),
		word("utm_source", func(c click) string { return c.UTM.Source }),
		word("utm_medium", func(c click) string { return c.UTM.Medium }),
		word("utm_campaign", func(c click) string { return c.UTM.Campaign }),
		word("utm_term", func(c click) string { return c.UTM.Term }),
		word("utm_content", func(c click) string { return c.UTM.Content }),
		uint8s("source", func(c click) uint8 { return uint8(c.Source) }),
		flags("head", func(c click) bool { return c.Head }),
		flags("prefetch", func(c click) bool { return c.Prefetch }),
	}
}

// click reads a row of the columns of export.sql.
func (r *rows) click() shortener.StoredClick {
	var c shortener.StoredClick
	c.Producer, c.Seq, c.Batch = r.string(), r.uint64(), r.uint64()
	c.At = time.UnixMilli(r.int64()).UTC()
	c.Ref.Domain, c.Ref.Code, c.Visitor = r.string(), r.string(), r.uint64()
	for _, to := range [...]*string{
		&c.Country, &c.Region, &c.City, &c.ReferrerHost, &c.Referrer, &c.Channel, &c.UserAgent, &c.Browser, &c.OS, &c.Device,
		&c.Language, &c.Bot, &c.Rule, &c.UTM.Source, &c.UTM.Medium, &c.UTM.Campaign, &c.UTM.Term, &c.UTM.Content,
	} {
		*to = r.string()
	}
	c.Source, c.Head, c.Prefetch = shortener.Source(r.uint8()), r.uint8() == 1, r.uint8() == 1
	return c
}
