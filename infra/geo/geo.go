// Package geo tells where an address is, by a MaxMind DB file that the operator brings.
//
// The file may be replaced while it is in use, by renaming another one over it or by writing it
// anew: Run notices and changes over. A file that is damaged, or half written, is refused; answers
// keep coming from the one before it. A lookup never fails: what is not known is "".
package geo

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Place is where an address is.
type Place struct {
	Country string // ISO 3166-1 alpha-2
	Region  string // ISO 3166-2 without the country, "ENG"; its English name if it has no code
	City    string // in English
}

// pollEvery is how often Run looks at the file.
const pollEvery = 5 * time.Second

// DB looks addresses up. It is safe for concurrent use.
type DB struct {
	path   string
	reader atomic.Pointer[maxminddb.Reader]

	// Of Run alone.
	seen version
	// Reloaded, if it is not nil, is told by Run of each new file, with the reason if it was refused.
	// It is set before Run is called.
	Reloaded func(error)
}

// version tells one state of the file from another.
type version struct {
	modified time.Time
	size     int64
}

// Open reads the file at path. It is held in memory: a city file takes 60 to 120 MB.
func Open(path string) (*DB, error) {
	db := &DB{path: path}
	v, err := db.version()
	if err != nil {
		return nil, fmt.Errorf("open geo database: %w", err)
	}
	db.seen = v
	if err := db.load(); err != nil {
		return nil, err
	}
	return db, nil
}

// record is what of an entry is of interest, in the schema that GeoLite2, DB-IP and others share.
type record struct {
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		ISOCode string `maxminddb:"iso_code"`
		Names   struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
}

// records are reused: lookups happen on the way of every redirect, and should leave no garbage.
var records = sync.Pool{New: func() any { return new(record) }}

func (r *record) reset() {
	clear(r.Subdivisions)
	*r = record{Subdivisions: r.Subdivisions[:0]}
}

// Lookup returns where an address is. An IPv4 address in IPv6 form is looked up as what it is.
func (db *DB) Lookup(addr netip.Addr) Place {
	r := records.Get().(*record)
	defer records.Put(r)
	r.reset()
	if !addr.IsValid() || db.reader.Load().Lookup(addr.Unmap().WithZone("")).Decode(r) != nil {
		return Place{}
	}
	p := Place{Country: r.Country.ISOCode, City: r.City.Names.English}
	if len(r.Subdivisions) > 0 {
		if p.Region = r.Subdivisions[0].ISOCode; p.Region == "" {
			p.Region = r.Subdivisions[0].Names.English
		}
	}
	return p
}

// Run looks at the file every few seconds and loads it when it has changed, until ctx ends. It
// returns ctx's error.
func (db *DB) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			db.poll()
		}
	}
}

// poll loads the file if it is another one. One that is refused is not tried again until it changes.
func (db *DB) poll() {
	v, err := db.version()
	if err != nil || v == db.seen {
		return // a file that is being replaced may be away for a moment
	}
	db.seen = v
	err = db.load()
	if db.Reloaded != nil {
		db.Reloaded(err)
	}
}

func (db *DB) version() (version, error) {
	info, err := os.Stat(db.path)
	if err != nil {
		return version{}, err
	}
	return version{info.ModTime(), info.Size()}, nil
}

// load reads the file and puts it in place of the one before, if its entries can be read. The
// file is not mapped: a mapped one that is written anew would change, or fault, under a lookup.
func (db *DB) load() error {
	raw, err := os.ReadFile(db.path)
	if err != nil {
		return fmt.Errorf("read geo database: %w", err)
	}
	reader, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return fmt.Errorf("read geo database %s: %w", db.path, err)
	}
	if err := verify(reader); err != nil {
		return fmt.Errorf("geo database %s is damaged: %w", db.path, err)
	}
	db.reader.Store(reader)
	return nil
}

// sample is about how many entries verify decodes of a large file, which has millions.
const sample = 100_000

// verify walks the whole tree of the file and decodes some of its entries, all those of a small one.
// It does not hold the file to what the format asks of metadata: some makers leave things out.
func verify(reader *maxminddb.Reader) error {
	step, n := reader.Metadata.NodeCount/sample+1, uint(0)
	for result := range reader.Networks() {
		if err := result.Err(); err != nil {
			return err
		}
		var r record
		if n++; n%step == 0 {
			if err := result.Decode(&r); err != nil {
				return err
			}
		}
	}
	return nil
}
