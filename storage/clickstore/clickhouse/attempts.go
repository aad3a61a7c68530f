package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"snowlink/shortener"
)

// The states of a claim.
const (
	claimed uint8 = 1 // its clicks may be there, or may come
	stored  uint8 = 2 // the batch counts, by this attempt or another
)

// key names a batch.
type key struct {
	producer string
	batch    uint64
}

// entry is a row of claims or of contests.
type entry struct {
	key
	attempt uint64
	mark    uint8  // the state of a claim; in the contests 1 if the attempt has won
	clicks  uint32 // of a claim
}

var (
	claimColumns   = append(entryColumns("state"), uint32s("clicks", func(e entry) uint32 { return e.clicks }))
	contestColumns = entryColumns("won")
)

func entryColumns(mark string) []column[entry] {
	return []column[entry]{
		texts("producer", func(e entry) string { return e.producer }),
		uint64s("batch", func(e entry) uint64 { return e.batch }),
		uint64s("attempt", func(e entry) uint64 { return e.attempt }),
		uint8s(mark, func(e entry) uint8 { return e.mark }),
	}
}

// entries are rows of claims or of contests by batch.
type entries map[key][]entry

// marked reports whether one of the entries of a batch has the mark.
func (e entries) marked(k key, mark uint8) bool {
	return slices.ContainsFunc(e[k], func(e entry) bool { return e.mark == mark })
}

// has reports whether an attempt at the batch is among the entries.
func (e entries) has(k key, attempt uint64) bool {
	return slices.ContainsFunc(e[k], func(e entry) bool { return e.attempt == attempt })
}

// entriesOf returns the rows of batches in claims or in contests, as text, a file under sql, reads them.
func (s *Store) entriesOf(ctx context.Context, text string, batches []key) (entries, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	r, err := s.client.query(ctx, fill(query(text), "batches", among(batches)))
	if err != nil {
		return nil, err
	}
	out := make(entries, len(batches))
	for r.more() {
		e := entry{key: key{r.string(), r.uint64()}, attempt: r.uint64(), mark: r.uint8()}
		out[e.key] = append(out[e.key], e)
	}
	return out, r.err()
}

// among returns a condition on producer and batch.
func among(batches []key) string {
	numbers := make(map[string][]uint64)
	for _, k := range batches {
		numbers[k.producer] = append(numbers[k.producer], k.batch)
	}
	var conditions []string
	for producer, of := range numbers {
		conditions = append(conditions, bind("(producer = ? AND batch IN ?)", producer, of))
	}
	return strings.Join(conditions, " OR ")
}

// landed returns those of attempts whose clicks are in the table. They are clicks of batches.
func (s *Store) landed(ctx context.Context, attempts []uint64, batches []*attempt) (map[uint64]bool, error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	first, last := hoursOf(batches)
	r, err := s.client.query(ctx, bind(query("landed"), first, last, attempts))
	if err != nil {
		return nil, err
	}
	out := make(map[uint64]bool)
	for r.more() {
		out[r.uint64()] = true
	}
	return out, r.err()
}

func hoursOf(batches []*attempt) (first, last int64) {
	first, last = 1<<63-1, -1<<63
	for _, a := range batches {
		for _, c := range a.batch.Clicks {
			hour := hourOf(c.At)
			first, last = min(first, hour), max(last, hour)
		}
	}
	return first, last
}

func (s *Store) insertEntries(ctx context.Context, table string, columns []column[entry], rows []entry) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.client.insert(ctx, insertion(table, columns), block(columns, rows)); err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	return nil
}

// attempt is ours at a batch.
type attempt struct {
	batch  *shortener.IngestBatch
	number uint64
	rivals []uint64 // other attempts at the batch whose claims were found
}

func (a *attempt) key() key { return key{a.batch.Producer, a.batch.Number} }

// claim returns what ours is in claims.
func (a *attempt) claim(state uint8) entry {
	return entry{a.key(), a.number, state, uint32(len(a.batch.Clicks))}
}

// victory returns the rows of the contests that make winner count, and no other attempt we know of.
func (a *attempt) victory(winner uint64) []entry {
	rows := []entry{{key: a.key(), attempt: winner, mark: 1}}
	for _, rival := range append(slices.Clone(a.rivals), a.number) {
		if rival != winner {
			rows = append(rows, entry{key: a.key(), attempt: rival})
		}
	}
	return rows
}
