package clickhouse

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// totals are the columns of shortener.Totals, in its order.
const totals = `count(), countIf(bot = ''), countIf(bot <> ''), uniqExactIf(visitor, bot = '')`

func (r *rows) totals() shortener.Totals {
	return shortener.Totals{Clicks: r.int64(), Humans: r.int64(), Bots: r.int64(), Visitors: r.int64()}
}

// Summary returns the totals of the clicks of q.
func (s *Store) Summary(ctx context.Context, q shortener.ClickQuery) (t shortener.Totals, err error) {
	w, err := selection(q)
	if err != nil {
		return t, err
	}
	err = s.answer(ctx, w, "SELECT "+totals+" FROM clicks {selection}", func(r *rows) { t = r.totals() })
	if err != nil {
		return shortener.Totals{}, fmt.Errorf("summarize clicks: %w", err)
	}
	return t, nil
}

// Breakdown returns the totals of the clicks of q by the values of d, most clicks first and then by
// value, and how many values there are. A limit of 0 is none. Clicks that are stored meanwhile may be
// in one and not in the other.
func (s *Store) Breakdown(ctx context.Context, q shortener.ClickQuery, d shortener.Dimension, limit, offset int) (shares []shortener.Share, total int, err error) {
	value, err := clicks.Expression(d)
	if err != nil {
		return nil, 0, err
	}
	w, err := selection(q)
	if err != nil {
		return nil, 0, err
	}
	err = s.settled(ctx, w, func(w clicks.Where) error {
		count := "SELECT uniqExact(" + value + ") FROM clicks {selection}"
		if err := s.ask(ctx, w, count, func(r *rows) { total, shares = int(r.int64()), nil }); err != nil || offset >= total {
			return err
		}
		most := limit
		if most <= 0 {
			most = math.MaxInt32 // not total: there may be more by now
		}
		return s.ask(ctx, w, bind(fill(fill(query("breakdown"), "value", value), "totals", totals), offset, most), func(r *rows) {
			for r.more() {
				shares = append(shares, shortener.Share{Value: r.string(), Totals: r.totals()})
			}
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("break clicks down by %s: %w", d, err)
	}
	return shares, total, nil
}

// LinkTotals returns the totals of links over all time. A link without clicks has none in the map.
func (s *Store) LinkTotals(ctx context.Context, refs []shortener.Ref) (out map[shortener.Ref]shortener.Totals, err error) {
	var w clicks.Where
	w.Refs(refs, pairs)
	err = s.answer(ctx, w, "SELECT domain, code, "+totals+" FROM clicks {selection} GROUP BY domain, code", func(r *rows) {
		for out = make(map[shortener.Ref]shortener.Totals, len(refs)); r.more(); {
			out[shortener.Ref{Domain: r.string(), Code: r.string()}] = r.totals()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks of links: %w", err)
	}
	return out, nil
}

// Bounds returns the times of the first and the last click; zero times if there is none.
func (s *Store) Bounds(ctx context.Context) (first, last time.Time, err error) {
	err = s.settled(ctx, clicks.Where{}, func(w clicks.Where) (err error) {
		first, last, err = s.bounds(ctx, w)
		return err
	})
	if err != nil {
		err = fmt.Errorf("find first and last click: %w", err)
	}
	return first, last, err
}

func (s *Store) bounds(ctx context.Context, w clicks.Where) (first, last time.Time, err error) {
	err = s.ask(ctx, w, "SELECT count(), min(at_ms), max(at_ms) FROM clicks {selection}", func(r *rows) {
		if n, low, high := r.int64(), r.int64(), r.int64(); n > 0 {
			first, last = time.UnixMilli(low).UTC(), time.UnixMilli(high).UTC()
		}
	})
	return first, last, err
}

// selection returns the clause that keeps the clicks of q.
func selection(q shortener.ClickQuery) (clicks.Where, error) {
	w, err := clicks.Selection(q, pairs)
	// Of these the table knows where to look.
	if !q.From.IsZero() {
		w.And("hour >= ?", hourOf(q.From))
	}
	if !q.To.IsZero() {
		w.And("hour <= ?", hourOf(q.To))
	}
	return w, err
}

// pairs keeps the clicks of many links.
func pairs(w *clicks.Where, domains, codes []string) {
	args := make([]any, 0, 2*len(codes))
	for i := range codes {
		args = append(args, domains[i], codes[i])
	}
	w.And("(domain, code) IN ((?, ?)"+strings.Repeat(", (?, ?)", len(codes)-1)+")", args...)
}
