package clickhouse

import (
	"context"
	"errors"
	"time"

	"snowlink/storage/clickstore/clicks"
)

// maxAsked bounds how often a question is asked because the contests went on meanwhile. Each entry
// stands for a failure: that many at one time are unheard of.
const maxAsked = 10

// settled calls ask with w narrowed to the clicks that count, until nothing changed about that while
// it was asking. What ask found before is to be thrown away by it.
func (s *Store) settled(ctx context.Context, w clicks.Where, ask func(clicks.Where) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	for range maxAsked {
		before := s.contests.Load()
		narrowed := w.Clone()
		if before > 0 {
			narrowed.And("attempt NOT IN (" + query("hidden") + ")")
		}
		if err := ask(narrowed); err != nil {
			return err
		}
		// Clicks that more than one attempt has inserted are found only when this is known in the contests.
		after, err := s.entered(ctx)
		if err != nil || after == before {
			return err
		}
		s.contests.Store(after)
	}
	return unavailable(time.Second, errors.New("the contests change all the time"), "The click store is being repaired.")
}

// answer asks one question, a text with the place of a {selection}, and hands the answer to read:
// again if it was not the right one, so that read begins anew each time.
func (s *Store) answer(ctx context.Context, w clicks.Where, text string, read func(*rows)) error {
	return s.settled(ctx, w, func(w clicks.Where) error { return s.ask(ctx, w, text, read) })
}

// ask is answer within a question of several parts.
func (s *Store) ask(ctx context.Context, w clicks.Where, text string, read func(*rows)) error {
	r, err := s.client.query(ctx, fill(text, "selection", bind(w.String(), w.Args()...)))
	if err != nil {
		return err
	}
	read(r)
	return r.err()
}

// entered returns the number of entries in the contests. It never falls.
func (s *Store) entered(ctx context.Context) (uint64, error) {
	r, err := s.client.query(ctx, "SELECT count() FROM contests")
	if err != nil {
		return 0, err
	}
	return r.uint64(), r.err()
}
