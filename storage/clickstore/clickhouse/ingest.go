package clickhouse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// What is inserted at once at most. A block is in the memory of both sides.
const (
	maxInsertClicks  = 200_000
	maxInsertBatches = 2_000
)

// Ingest stores the batches that are not stored yet, and returns how many those were. Batches that
// were stored before, or that come twice in the call, are passed over; if another process stores one
// of them at the same time, both may name it as theirs. After an error any of them may be stored: the
// caller gives the same batches again. A batch without clicks, they having been lost, is marked all
// the same; one without a producer's name in UTF-8 or without a number is Invalid.
//
// The context is looked at before each insert; one that has begun is finished.
func (s *Store) Ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error) {
	if err := clicks.CheckIdentities(batches); err != nil || len(batches) == 0 {
		return 0, err
	}
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	s.writer.Lock()
	defer s.writer.Unlock()
	for len(batches) > 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := portion(batches)
		// An insert that is given up leaves in doubt what the next attempt would have to find out.
		stored, err := s.ingest(context.WithoutCancel(ctx), batches[:n])
		if err != nil {
			return 0, fmt.Errorf("ingest clicks: %w", err)
		}
		fresh, batches = fresh+stored, batches[n:]
	}
	return fresh, nil
}

// portion returns how many of the batches are inserted at once: one at least.
func portion(batches []shortener.IngestBatch) int {
	clicks := 0
	for n, b := range batches {
		if clicks += len(b.Clicks); n > 0 && (clicks > maxInsertClicks || n == maxInsertBatches) {
			return n
		}
	}
	return len(batches)
}

// ingest runs the protocol of the package comment. The order of its steps is what makes it right.
func (s *Store) ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error) {
	attempts := attemptsAt(batches)
	var ours []entry
	for _, a := range attempts {
		ours = append(ours, a.claim(claimed))
	}
	if err := s.insertEntries(ctx, "claims", claimColumns, ours); err != nil {
		return 0, err
	}
	plan, err := s.look(ctx, attempts)
	if err != nil {
		return 0, err
	}
	if err := s.insertEntries(ctx, "contests", contestColumns, plan.held); err != nil {
		return 0, err
	}
	if err := s.insertClicks(ctx, plan.insert); err != nil {
		return 0, err
	}
	if err := s.insertEntries(ctx, "contests", contestColumns, plan.victories); err != nil {
		return 0, err
	}
	return len(plan.insert), s.insertEntries(ctx, "claims", claimColumns, plan.stored)
}

// attemptsAt returns new attempts, one at each batch.
func attemptsAt(batches []shortener.IngestBatch) (attempts []*attempt) {
	seen := make(map[key]bool, len(batches))
	for i := range batches {
		a := &attempt{batch: &batches[i], number: 1 + rand.Uint64N(1<<64-1)}
		if !seen[a.key()] {
			seen[a.key()] = true
			attempts = append(attempts, a)
		}
	}
	return attempts
}

// plan says what is still to be done, in the order of its fields.
type plan struct {
	held      []entry // into the contests, before the clicks
	insert    []*attempt
	victories []entry // into the contests, after the clicks
	stored    []entry // into the claims
}

// look finds out who else is at the batches, all of which are claimed, and decides what to do.
func (s *Store) look(ctx context.Context, attempts []*attempt) (p plan, err error) {
	keys := make([]key, len(attempts))
	for i, a := range attempts {
		keys[i] = a.key()
	}
	claims, err := s.entriesOf(ctx, "claims_of", keys)
	if err != nil {
		return p, fmt.Errorf("read claims: %w", err)
	}
	var doubtful []*attempt
	for _, a := range attempts {
		for _, e := range claims[a.key()] {
			if e.attempt != a.number {
				a.rivals = append(a.rivals, e.attempt)
			}
		}
		switch {
		case claims.marked(a.key(), stored):
		case len(a.rivals) == 0 || len(a.batch.Clicks) == 0:
			p.insert = append(p.insert, a)
			p.stored = append(p.stored, a.claim(stored))
		default:
			doubtful = append(doubtful, a)
		}
	}
	return p, s.resolve(ctx, doubtful, &p)
}

// resolve decides about batches of which other attempts may have been inserted, or may be yet.
func (s *Store) resolve(ctx context.Context, doubtful []*attempt, p *plan) error {
	if len(doubtful) == 0 {
		return nil
	}
	var rivals []uint64
	keys := make([]key, len(doubtful))
	for i, a := range doubtful {
		keys[i] = a.key()
		rivals = append(rivals, a.rivals...)
	}
	// First the clicks, then the contests: what is found among the clicks and does not count is entered there by now.
	landed, err := s.landed(ctx, rivals, doubtful)
	if err != nil {
		return fmt.Errorf("look for clicks of other attempts: %w", err)
	}
	contests, err := s.entriesOf(ctx, "contests_of", keys)
	if err != nil {
		return fmt.Errorf("read contests: %w", err)
	}
	for _, a := range doubtful {
		a.decide(landed, contests, p)
	}
	return nil
}

func (a *attempt) decide(landed map[uint64]bool, contests entries, p *plan) {
	p.stored = append(p.stored, a.claim(stored))
	counts, hidden := contests.marked(a.key(), 1), uint64(0)
	for _, rival := range a.rivals {
		switch {
		case !landed[rival]:
		case contests.has(a.key(), rival):
			hidden = rival
		default:
			counts = true
		}
	}
	switch {
	case counts:
	case hidden != 0: // inserted by one that ended before it could say that it had won
		p.victories = append(p.victories, a.victory(hidden)...)
	default:
		p.held = append(p.held, entry{key: a.key(), attempt: a.number})
		p.insert = append(p.insert, a)
		p.victories = append(p.victories, a.victory(a.number)...)
	}
}

// insertClicks inserts the clicks of the attempts, all of them or none.
func (s *Store) insertClicks(ctx context.Context, attempts []*attempt) error {
	var rows []click
	for _, a := range attempts {
		for i := range a.batch.Clicks {
			rows = append(rows, click{&a.batch.Clicks[i], a.number})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	columns := clickColumns(time.Now())
	if err := s.client.insert(ctx, insertion("clicks", columns), block(columns, rows)); err != nil {
		return fmt.Errorf("write clicks: %w", err)
	}
	return nil
}

// fill puts text in place of the only {name} in a query. Text is of this package, never of a caller,
// or has been bound.
func fill(query, name, text string) string { return strings.Replace(query, "{"+name+"}", text, 1) }
