package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// Groups returns the clicks of q by several things at once, and how many groups there are: by time first, the
// most clicks first within, then by value. A limit of 0 is none. Groups without clicks are not there.
func (s *Store) Groups(ctx context.Context, q shortener.ClickQuery, by shortener.Grouping, limit, offset int) (groups []shortener.Group, total int, err error) {
	columns, names, err := clicks.GroupColumns(by)
	if err != nil {
		return nil, 0, err
	}
	w, err := selection(q)
	if err != nil {
		return nil, 0, err
	}
	if limit <= 0 {
		limit = 1 << 31
	}
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		text := fill(fill(fill(fill(query("groups"), "columns", columns), "totals", totals), "names", names), "selection", w.String())
		var args []any
		var series []shortener.Bucket
		granular, order := "", "count(*) DESC, "+names
		if by.Interval != "" {
			first, last, err := bounds(ctx, tx, w)
			if err != nil || first.IsZero() {
				return err
			}
			var edges clicks.Edges
			if series, edges, err = clicks.NewSeries(q, first, last, by.Interval, by.Zone); err != nil {
				return err
			}
			g := newGranules(edges)
			granular, order, args = granulesJoin, "bucket, "+order, []any{g.buckets, g.origin, g.width}
		}
		text = strings.Replace(fill(fill(text, "granules", granular), "order", order), "{bucket} AS bucket", "bucket", 1)
		rows, err := tx.QueryContext(ctx, text, append(args, w.Args(limit, offset)...)...)
		return each(rows, err, func() error {
			g, err := scanGroup(rows, by, series, &total)
			groups = append(groups, g)
			return err
		})
	})
	if err == nil && len(groups) == 0 && offset > 0 { // the number stands in rows, of which there is none
		_, total, err = s.Groups(ctx, q, by, 1, 0)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("count clicks by groups: %w", err)
	}
	return groups, total, nil
}

// granulesJoin makes each click's bucket a column; see series.sql.
const granulesJoin = `JOIN (SELECT unnest(b) AS bucket, unnest(range(len(b))) AS granule FROM (SELECT ?::BIGINT[] AS b))
  ON granule = (at_ms - ?::BIGINT) // ?::BIGINT`

func scanGroup(rows *sql.Rows, by shortener.Grouping, series []shortener.Bucket, total *int) (g shortener.Group, err error) {
	var bucket int
	var into []any
	if by.Interval != "" {
		into = append(into, &bucket)
	}
	g.Values = make([]string, len(by.Dimensions))
	for i := range g.Values {
		into = append(into, &g.Values[i])
	}
	if err := rows.Scan(append(append(into, totalsInto(&g.Totals)...), total)...); err != nil {
		return g, err
	}
	if by.Interval != "" {
		g.Start = series[bucket].Start
	}
	return g, nil
}
