package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// Heatmap returns the totals of the clicks of q by the hour of the week that the wall clock of loc showed.
func (s *Store) Heatmap(ctx context.Context, q shortener.ClickQuery, loc *time.Location) (week shortener.HoursOfWeek, err error) {
	w, err := selection(q)
	if err != nil {
		return week, err
	}
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		first, last, err := bounds(ctx, tx, w)
		if err != nil || first.IsZero() {
			return err
		}
		hour := clicks.HourOfWeek(first, last, loc, "%s // %d", "%s %% %d")
		rows, err := tx.QueryContext(ctx, "SELECT "+hour+" AS hour, "+totals+" FROM clicks "+w.String()+" GROUP BY hour", w.Args()...)
		return each(rows, err, func() error {
			var i int
			var t shortener.Totals
			if err := rows.Scan(append([]any{&i}, totalsInto(&t)...)...); err != nil {
				return err
			}
			week[i] = t
			return nil
		})
	})
	if err != nil {
		return shortener.HoursOfWeek{}, fmt.Errorf("count clicks by the hour of the week: %w", err)
	}
	return week, nil
}
