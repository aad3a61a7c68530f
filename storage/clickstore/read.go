package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// totals are the columns of shortener.Totals, in its order.
const totals = `count(*), count(*) FILTER (WHERE bot = ''), count(*) FILTER (WHERE bot <> ''), count(DISTINCT visitor) FILTER (WHERE bot = '')`

func totalsInto(t *shortener.Totals) []any {
	return []any{&t.Clicks, &t.Humans, &t.Bots, &t.Visitors}
}

// Summary returns the totals of the clicks of q.
func (s *Store) Summary(ctx context.Context, q shortener.ClickQuery) (shortener.Totals, error) {
	var t shortener.Totals
	w, err := selection(q)
	if err != nil {
		return t, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT "+totals+" FROM clicks "+w.String(), w.Args()...).Scan(totalsInto(&t)...)
	if err != nil {
		return t, fmt.Errorf("summarize clicks: %w", err)
	}
	return t, nil
}

// Breakdown returns the totals of the clicks of q by the values of d, most clicks first and then by
// value, and how many values there are. A limit of 0 is none.
func (s *Store) Breakdown(ctx context.Context, q shortener.ClickQuery, d shortener.Dimension, limit, offset int) (shares []shortener.Share, total int, err error) {
	value, err := clicks.Expression(d)
	if err != nil {
		return nil, 0, err
	}
	w, err := selection(q)
	if err != nil {
		return nil, 0, err
	}
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		count := "SELECT count(DISTINCT " + value + ") FROM clicks " + w.String()
		if err := tx.QueryRowContext(ctx, count, w.Args()...).Scan(&total); err != nil || offset >= total {
			return err
		}
		page := "SELECT " + value + " AS value, " + totals + " FROM clicks " + w.String() +
			" GROUP BY value ORDER BY count(*) DESC, value LIMIT ? OFFSET ?"
		if limit <= 0 {
			limit = total
		}
		rows, err := tx.QueryContext(ctx, page, w.Args(limit, offset)...)
		return each(rows, err, func() error {
			var share shortener.Share
			err := rows.Scan(append([]any{&share.Value}, totalsInto(&share.Totals)...)...)
			shares = append(shares, share)
			return err
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("break clicks down by %s: %w", d, err)
	}
	return shares, total, nil
}

// LinkTotals returns the totals of links over all time. A link without clicks has none in the map.
func (s *Store) LinkTotals(ctx context.Context, refs []shortener.Ref) (map[shortener.Ref]shortener.Totals, error) {
	var w clicks.Where
	w.Refs(refs, pairs)
	out := make(map[shortener.Ref]shortener.Totals, len(refs))
	rows, err := s.db.QueryContext(ctx, "SELECT domain, code, "+totals+" FROM clicks "+w.String()+" GROUP BY domain, code", w.Args()...)
	err = each(rows, err, func() error {
		var ref shortener.Ref
		var t shortener.Totals
		err := rows.Scan(append([]any{&ref.Domain, &ref.Code}, totalsInto(&t)...)...)
		out[ref] = t
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks of links: %w", err)
	}
	return out, nil
}

// Bounds returns the times of the first and the last click; zero times if there is none.
func (s *Store) Bounds(ctx context.Context) (first, last time.Time, err error) {
	first, last, err = bounds(ctx, s.db, clicks.Where{})
	if err != nil {
		err = fmt.Errorf("find first and last click: %w", err)
	}
	return first, last, err
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func bounds(ctx context.Context, db querier, w clicks.Where) (first, last time.Time, err error) {
	var low, high sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT min(at_ms), max(at_ms) FROM clicks "+w.String(), w.Args()...).Scan(&low, &high)
	if err != nil || !low.Valid {
		return first, last, err
	}
	return time.UnixMilli(low.Int64).UTC(), time.UnixMilli(high.Int64).UTC(), nil
}

// snapshot runs f in a transaction: all its queries see the same commit.
func (s *Store) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return f(tx)
}

// each calls f for every row and closes rows. It takes the error of the query as it came.
func each(rows *sql.Rows, err error, f func() error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// fill puts text in place of the only {name} in a query. Text is of this package, never of a caller.
func fill(query, name, text string) string { return strings.Replace(query, "{"+name+"}", text, 1) }

// selection returns the clause that keeps the clicks of q.
func selection(q shortener.ClickQuery) (clicks.Where, error) { return clicks.Selection(q, pairs) }

// pairs keeps the clicks of many links. Two lists are bound, whatever the number of links.
func pairs(w *clicks.Where, domains, codes []string) {
	w.And("(domain, code) IN (SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))", domains, codes)
}
