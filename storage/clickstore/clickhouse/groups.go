package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

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
		limit = math.MaxInt32
	}
	err = s.settled(ctx, w, func(w clicks.Where) error {
		groups, total = nil, 0
		columns, order := columns, "count() DESC, "+names
		var series []shortener.Bucket
		if by.Interval != "" {
			first, last, err := s.bounds(ctx, w)
			if err != nil || first.IsZero() {
				return err
			}
			var edges clicks.Edges
			if series, edges, err = clicks.NewSeries(q, first, last, by.Interval, by.Zone); err != nil {
				return err
			}
			bucket, err := bucketOf(edges)
			if err != nil {
				return err
			}
			w.Between(first, last.Add(time.Millisecond)) // others may come meanwhile
			columns, order = fill(columns, "bucket", bucket), "bucket, "+order
		}
		count := "SELECT count() FROM (SELECT " + columns + " FROM clicks {selection} GROUP BY " + names + ")"
		if err := s.ask(ctx, w, count, func(r *rows) { total = int(r.int64()) }); err != nil || offset >= total {
			return err
		}
		text := fill(fill(fill(fill(query("groups"), "columns", columns), "totals", totals), "names", names), "order", order)
		return s.readGroups(ctx, w, bind(text, offset, limit), by, series, &groups)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("count clicks by groups: %w", err)
	}
	return groups, total, nil
}

func (s *Store) readGroups(ctx context.Context, w clicks.Where, text string, by shortener.Grouping, series []shortener.Bucket, groups *[]shortener.Group) error {
	misplaced := false
	err := s.ask(ctx, w, text, func(r *rows) {
		for r.more() {
			var g shortener.Group
			if by.Interval != "" {
				i := r.int64()
				if misplaced = i < 0 || i >= int64(len(series)); misplaced {
					return
				}
				g.Start = series[i].Start
			}
			g.Values = make([]string, len(by.Dimensions))
			for i := range g.Values {
				g.Values[i] = r.string()
			}
			g.Totals = r.totals()
			*groups = append(*groups, g)
		}
	})
	if misplaced {
		return errRow
	}
	return err
}
