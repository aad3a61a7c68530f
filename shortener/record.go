package shortener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Record is what a redirect needs to know of a link: the value that shards hold, that the api hands
// to edges, and that edges keep in memory. Deleted links have one too: a tombstone keeps a late
// writer from bringing them back.
type Record struct {
	Ref
	Version        int64
	State          State
	RedirectStatus int
	StartsAt       time.Time
	ExpiresAt      time.Time
	Target         string
	FallbackURL    string
	ForwardQuery   bool
	Title          string
}

// VersionWidth is the length of the prefix that orders the encoded forms of a link: its version as
// fixed-width lower-case hexadecimal, so that comparing prefixes as strings, as the Lua of the
// shards does, compares versions.
const VersionWidth = 8

// recordFormat is the byte after the version. A reader that meets another one asks the truth.
const recordFormat = '1'

const flagForwardQuery = 1 << 0

// ErrRecord is wrapped by the errors of DecodeRecord.
var ErrRecord = errors.New("not a link record")

// AppendRecord appends the encoded form of r to dst: version, format byte, state, flags, status and
// then varints and length-prefixed strings, the link's own ref first. Times are Unix milliseconds,
// 0 for none.
func AppendRecord(dst []byte, r Record) []byte {
	dst = fmt.Appendf(dst, "%08x", uint32(r.Version))
	var flags byte
	if r.ForwardQuery {
		flags |= flagForwardQuery
	}
	dst = append(dst, recordFormat, byte(r.State), flags)
	dst = binary.AppendUvarint(dst, uint64(r.RedirectStatus))
	dst = binary.AppendVarint(dst, millis(r.StartsAt))
	dst = binary.AppendVarint(dst, millis(r.ExpiresAt))
	for _, s := range [...]string{r.Domain, r.Code, r.Target, r.FallbackURL, r.Title} {
		dst = appendString(dst, s)
	}
	return dst
}

// DecodeRecord reads what AppendRecord wrote. The strings of the result are copies. The error wraps
// ErrRecord if b is anything else.
func DecodeRecord(b []byte) (Record, error) {
	version, err := RecordVersion(b)
	if err != nil {
		return Record{}, err
	}
	if len(b) < VersionWidth+3 || b[VersionWidth] != recordFormat {
		return Record{}, fmt.Errorf("%w: unknown format", ErrRecord)
	}
	r := Record{Version: version, State: State(b[VersionWidth+1]), ForwardQuery: b[VersionWidth+2]&flagForwardQuery != 0}
	d := decoder{b: b[VersionWidth+3:]}
	r.RedirectStatus = int(d.uvarint())
	r.StartsAt, r.ExpiresAt = fromMillis(d.varint()), fromMillis(d.varint())
	for _, s := range [...]*string{&r.Domain, &r.Code, &r.Target, &r.FallbackURL, &r.Title} {
		*s = d.string()
	}
	if d.failed || len(d.b) > 0 || r.State > Deleted {
		return Record{}, fmt.Errorf("%w: damaged", ErrRecord)
	}
	return r, nil
}

// RecordVersion returns the version an encoded record begins with.
func RecordVersion(b []byte) (int64, error) {
	if len(b) < VersionWidth {
		return 0, fmt.Errorf("%w: %d bytes", ErrRecord, len(b))
	}
	v, err := strconv.ParseUint(string(b[:VersionWidth]), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: no version", ErrRecord)
	}
	return int64(v), nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
