package clickstore

import (
	"database/sql"
	"database/sql/driver"
	"strings"
	"time"
	"unicode/utf8"

	"snowlink/shortener"
)

// row is a click on its way into the table.
type row struct {
	*shortener.StoredClick
	producer uint32
	batch    uint64
}

// appendValues appends the values of the columns of clicks, in the order of schema.sql.
func (r row) appendValues(to []driver.Value, agent uint32) []driver.Value {
	c := r.StoredClick
	return append(to, r.producer, c.Seq, r.batch, c.At.UnixMilli(), text(c.Ref.Domain), text(c.Ref.Code), c.Visitor,
		text(c.Country), text(c.Region), text(c.City), text(c.ReferrerHost), text(c.Referrer), text(c.Channel), agent,
		text(c.Browser), text(c.OS), text(c.Device), text(c.Language), text(c.Bot), text(c.Rule),
		text(c.UTM.Source), text(c.UTM.Medium), text(c.UTM.Campaign), text(c.UTM.Term), text(c.UTM.Content),
		uint8(c.Source), c.Head, c.Prefetch)
}

// text returns s as DuckDB takes it: what a visitor sends need not be UTF-8.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// scanClick reads a row of the columns of export.sql.
func scanClick(rows *sql.Rows) (shortener.StoredClick, error) {
	var c shortener.StoredClick
	var at int64
	var source uint8
	err := rows.Scan(&c.Producer, &c.Seq, &c.Batch, &at, &c.Ref.Domain, &c.Ref.Code, &c.Visitor, &c.Country, &c.Region,
		&c.City, &c.ReferrerHost, &c.Referrer, &c.Channel, &c.UserAgent, &c.Browser, &c.OS, &c.Device, &c.Language, &c.Bot,
		&c.Rule, &c.UTM.Source, &c.UTM.Medium, &c.UTM.Campaign, &c.UTM.Term, &c.UTM.Content, &source, &c.Head, &c.Prefetch)
	c.At, c.Source = time.UnixMilli(at).UTC(), shortener.Source(source)
	return c, err
}
