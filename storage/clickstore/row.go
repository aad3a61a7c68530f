package clickstore

import (
	"database/sql"
	"database/sql/driver"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
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
	return append(to, r.producer, c.Seq, r.batch, c.At.UnixMilli(), clicks.Text(c.Ref.Domain), clicks.Text(c.Ref.Code), c.Visitor,
		clicks.Text(c.Country), clicks.Text(c.Region), clicks.Text(c.City), clicks.Text(c.ReferrerHost), clicks.Text(c.Referrer), clicks.Text(c.Channel), agent,
		clicks.Text(c.Browser), clicks.Text(c.OS), clicks.Text(c.Device), clicks.Text(c.Language), clicks.Text(c.Bot), clicks.Text(c.Rule),
		clicks.Text(c.UTM.Source), clicks.Text(c.UTM.Medium), clicks.Text(c.UTM.Campaign), clicks.Text(c.UTM.Term), clicks.Text(c.UTM.Content),
		uint8(c.Source), c.Head, c.Prefetch)
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
