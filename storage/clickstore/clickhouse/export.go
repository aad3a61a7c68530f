package clickhouse

import (
	"context"
	"fmt"
	"slices"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// pageSize is the number of clicks that are in memory at the same time during an export.
const pageSize = 20_000

// Export calls fn with each click of q, in the order of time, producer and sequence: each that was
// stored when it began, once, and of those stored meanwhile some. An error of fn ends it and is
// returned as it is.
func (s *Store) Export(ctx context.Context, q shortener.ClickQuery, fn func(shortener.StoredClick) error) error {
	w, err := selection(q)
	if err != nil {
		return err
	}
	hours, err := s.hours(ctx, w, false)
	if err != nil {
		return fmt.Errorf("export clicks: %w", err)
	}
	for _, span := range spans(hours, pageSize) {
		if err := s.exportSpan(ctx, span.clause(w), fn); err != nil {
			return err
		}
	}
	return nil
}

// exportSpan pages through the clicks that w keeps.
func (s *Store) exportSpan(ctx context.Context, w clicks.Where, fn func(shortener.StoredClick) error) error {
	var last *shortener.StoredClick
	for {
		in := w.Clone()
		if last != nil {
			at := last.At.UnixMilli()
			in.And("(at_ms > ? OR at_ms = ? AND (producer > ? OR producer = ? AND seq > ?))", at, at, last.Producer, last.Producer, last.Seq)
		}
		page, err := s.page(ctx, in, "ORDER BY at_ms, producer, seq LIMIT ?", pageSize)
		if err != nil {
			return fmt.Errorf("export clicks: %w", err)
		}
		for _, c := range page {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		last = &page[len(page)-1]
	}
}

// Recent returns the last clicks of q, newest first.
func (s *Store) Recent(ctx context.Context, q shortener.ClickQuery, limit int) ([]shortener.StoredClick, error) {
	w, err := selection(q)
	if err != nil || limit <= 0 {
		return nil, err
	}
	hours, err := s.hours(ctx, w, true)
	if err != nil {
		return nil, fmt.Errorf("read last clicks: %w", err)
	}
	if len(hours) == 0 {
		return nil, nil
	}
	// Whole rows are read of the hours alone that have enough of them.
	w.And("hour >= ?", hours[enough(hours, int64(limit))].hour)
	page, err := s.page(ctx, w, "ORDER BY at_ms DESC, producer DESC, seq DESC LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("read last clicks: %w", err)
	}
	return page, nil
}

// page returns the clicks that w keeps, in an order and a number given by what follows the selection.
func (s *Store) page(ctx context.Context, w clicks.Where, order string, limit int) (page []shortener.StoredClick, err error) {
	err = s.answer(ctx, w, query("export")+bind(order, limit), func(a *rows) {
		for page = nil; a.more(); {
			page = append(page, a.click())
		}
	})
	return page, err
}

// hourCount is an hour and how many clicks it has.
type hourCount struct{ hour, clicks int64 }

// hours returns the hours that have clicks which w keeps, in the order of time or from the last one.
func (s *Store) hours(ctx context.Context, w clicks.Where, backwards bool) (hours []hourCount, err error) {
	text := "SELECT hour, count() FROM clicks {selection} GROUP BY hour ORDER BY hour"
	if backwards {
		text += " DESC"
	}
	err = s.answer(ctx, w, text, func(a *rows) {
		for hours = nil; a.more(); {
			hours = append(hours, hourCount{a.int64(), a.int64()})
		}
	})
	return hours, err
}

// enough returns the index of the first hour up to which there are as many clicks as wanted, or of
// the last hour.
func enough(hours []hourCount, wanted int64) int {
	i := slices.IndexFunc(hours, func(h hourCount) bool {
		wanted -= h.clicks
		return wanted <= 0
	})
	if i < 0 {
		return len(hours) - 1
	}
	return i
}

// span is a run of hours, both included.
type span struct{ first, last int64 }

// clause returns w narrowed to the hours.
func (s span) clause(w clicks.Where) clicks.Where {
	narrowed := w.Clone()
	narrowed.And("hour >= ? AND hour <= ?", s.first, s.last)
	return narrowed
}

// spans cuts hours into runs of at most so many clicks, or of one hour.
func spans(hours []hourCount, most int64) (out []span) {
	var clicks int64
	for _, h := range hours {
		if clicks += h.clicks; len(out) == 0 || clicks > most {
			out, clicks = append(out, span{first: h.hour}), h.clicks
		}
		out[len(out)-1].last = h.hour
	}
	return out
}
