package shortener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Source tells how a visitor came by the short URL.
type Source uint8

// The sources of a click.
const (
	SourceLink Source = iota
	SourceQR
)

// String returns the stored name of the source.
func (s Source) String() string {
	if s == SourceQR {
		return "qr"
	}
	return "link"
}

// The reserved values of Click.Rule. Otherwise it names the rule of the link that decided.
const (
	RuleNone     = ""
	RuleFallback = "fallback" // the link had expired or was deleted, and its fallback URL was answered
)

// Click is one answered redirect as the edge saw it. It holds no address and no cookie: Visitor is a
// keyed hash whose key is thrown away daily.
type Click struct {
	At        time.Time // UTC, milliseconds
	Ref       Ref
	Visitor   uint64
	Country   string // ISO 3166-1 alpha-2, "" if unknown
	Region    string
	City      string
	Referrer  string // host and path of the referring page, without scheme, query and fragment
	UserAgent string
	Language  string // primary subtag of the first Accept-Language, lower case
	UTM       UTM
	Rule      string
	Source    Source
	Head      bool // the request was a HEAD
	Prefetch  bool // Sec-Purpose or Purpose: prefetch
}

// UTM is the campaign of a click, from the query of the short URL.
type UTM struct {
	Source, Medium, Campaign, Term, Content string
}

// Bounds on what a visitor may make us store, in bytes. Longer values are cut at the edge.
const (
	MaxUserAgent = 512
	MaxReferrer  = 512
	MaxLanguage  = 8
	MaxUTM       = 200
)

const clickFormat = 1

const (
	flagQR = 1 << iota
	flagHead
	flagPrefetch
)

// ErrClick is wrapped by the errors of DecodeClick.
var ErrClick = errors.New("not a click")

// AppendClick appends the encoded form of c to dst. It does not allocate beyond growing dst, and
// keeps none of c's strings: they may be views of a request that is about to be reused.
func AppendClick(dst []byte, c *Click) []byte {
	var flags byte
	if c.Source == SourceQR {
		flags |= flagQR
	}
	if c.Head {
		flags |= flagHead
	}
	if c.Prefetch {
		flags |= flagPrefetch
	}
	dst = append(dst, clickFormat, flags)
	dst = binary.LittleEndian.AppendUint64(dst, c.Visitor)
	dst = binary.AppendVarint(dst, c.At.UnixMilli())
	for _, s := range [...]string{
		c.Ref.Domain, c.Ref.Code, c.Country, c.Region, c.City, c.Referrer, c.UserAgent, c.Language,
		c.UTM.Source, c.UTM.Medium, c.UTM.Campaign, c.UTM.Term, c.UTM.Content, c.Rule,
	} {
		dst = appendString(dst, s)
	}
	return dst
}

// DecodeClick reads what AppendClick wrote. The strings of the result are copies. The error wraps
// ErrClick if b is anything else.
func DecodeClick(b []byte) (Click, error) {
	d := decoder{b: b}
	if d.byte() != clickFormat || d.failed {
		return Click{}, fmt.Errorf("%w: unknown format", ErrClick)
	}
	flags := d.byte()
	c := Click{Head: flags&flagHead != 0, Prefetch: flags&flagPrefetch != 0}
	if flags&flagQR != 0 {
		c.Source = SourceQR
	}
	c.Visitor = d.uint64()
	c.At = time.UnixMilli(d.varint()).UTC()
	for _, s := range [...]*string{
		&c.Ref.Domain, &c.Ref.Code, &c.Country, &c.Region, &c.City, &c.Referrer, &c.UserAgent, &c.Language,
		&c.UTM.Source, &c.UTM.Medium, &c.UTM.Campaign, &c.UTM.Term, &c.UTM.Content, &c.Rule,
	} {
		*s = d.string()
	}
	if d.failed || len(d.b) > 0 {
		return Click{}, fmt.Errorf("%w: damaged", ErrClick)
	}
	return c, nil
}

// Batch is a run of clicks as one edge wrote it: the unit in which clicks travel and in which they
// are counted once. Producer and Number together never name two different batches.
type Batch struct {
	Producer string
	Number   uint64   // from 1, gapless within a producer
	FirstSeq uint64   // sequence of the first click; the others follow without gaps
	Clicks   [][]byte // encoded by AppendClick
}

// batchFormat is the first byte of an encoded batch. Version 1 is not compressed.
const batchFormat = 1

// ErrBatch is wrapped by the errors of DecodeBatch.
var ErrBatch = errors.New("not a click batch")

// AppendBatch appends the encoded form of b to dst.
func AppendBatch(dst []byte, b Batch) []byte {
	dst = append(dst, batchFormat)
	dst = appendString(dst, b.Producer)
	dst = binary.AppendUvarint(dst, b.Number)
	dst = binary.AppendUvarint(dst, b.FirstSeq)
	dst = binary.AppendUvarint(dst, uint64(len(b.Clicks)))
	for _, c := range b.Clicks {
		dst = binary.AppendUvarint(dst, uint64(len(c)))
		dst = append(dst, c...)
	}
	return dst
}

// DecodeBatch reads what AppendBatch wrote. The clicks are views of raw. The error wraps ErrBatch if
// raw is anything else.
func DecodeBatch(raw []byte) (Batch, error) {
	d := decoder{b: raw}
	if d.byte() != batchFormat || d.failed {
		return Batch{}, fmt.Errorf("%w: unknown format", ErrBatch)
	}
	b := Batch{Producer: d.string(), Number: d.uvarint(), FirstSeq: d.uvarint()}
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		return Batch{}, fmt.Errorf("%w: %d clicks in %d bytes", ErrBatch, n, len(d.b))
	}
	b.Clicks = make([][]byte, 0, n)
	for range n {
		b.Clicks = append(b.Clicks, d.bytes())
	}
	if d.failed || len(d.b) > 0 || b.Producer == "" || b.Number == 0 {
		return Batch{}, fmt.Errorf("%w: damaged", ErrBatch)
	}
	return b, nil
}

// StoredClick is a click with what was found out about it after the visitor had gone. It is what the
// click store keeps and what an export shows.
type StoredClick struct {
	Click
	Producer     string
	Seq          uint64
	Batch        uint64
	ReferrerHost string // registrable host of the referrer, "" for direct
	Channel      string // direct, search, social, mail, ai, ads, referral, internal
	Browser      string
	OS           string
	Device       string // desktop, mobile, tablet, tv, bot, other
	Bot          string // "" for a person, else preview, search, ai, monitor, library, prefetch, head, other
}

// ID returns the click's identity, the same for ever: producer and sequence.
func (c StoredClick) ID() string { return fmt.Sprintf("%s-%d", c.Producer, c.Seq) }
