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
	hours, err := s.hours(ctx, w, "SELECT hour, count() FROM clicks {selection} GROUP BY hour ORDER BY hour")
	if err != nil {
		return fmt.Errorf("export clicks: %w", err)
	}
	for _, h := range hours {
		// An hour at a time: the others are passed over, and nothing larger is sorted.
		in := w.Clone()
		in.And("hour = ?", h.hour)
		if err := s.exportHour(ctx, in, fn); err != nil {
			return err
		}
	}
	return nil
}

// hourCount is an hour and how many clicks it has.
type hourCount struct{ hour, clicks int64 }

func (s *Store) hours(ctx context.Context, w clicks.Where, text string) (hours []hourCount, err error) {
	err = s.settled(ctx, w, func(w clicks.Where) error {
		r, err := s.client.query(ctx, fill(text, "selection", bind(w.String(), w.Args()...)))
		if err != nil {
			return err
		}
		for hours = nil; r.more(); {
			hours = append(hours, hourCount{r.int64(), r.int64()})
		}
		return r.err()
	})
	return hours, err
}

// exportHour pages through the clicks that w keeps.
func (s *Store) exportHour(ctx context.Context, w clicks.Where, fn func(shortener.StoredClick) error) error {
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
	hours, err := s.hours(ctx, w, "SELECT hour, count() FROM clicks {selection} GROUP BY hour ORDER BY hour DESC")
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

// page returns the clicks that w keeps, in an order and a number given by what follows the selection.
func (s *Store) page(ctx context.Context, w clicks.Where, order string, limit int) (page []shortener.StoredClick, err error) {
	err = s.settled(ctx, w, func(w clicks.Where) error {
		r, err := s.client.query(ctx, fill(query("export"), "selection", bind(w.String()+" "+order, w.Args(limit)...)))
		if err != nil {
			return err
		}
		for page = nil; r.more(); {
			page = append(page, r.click())
		}
		return r.err()
	})
	return page, err
}
