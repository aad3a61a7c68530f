package clickhouse

import (
	"context"
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
	err = s.settled(ctx, w, func(w clicks.Where) error {
		week = shortener.HoursOfWeek{}
		first, last, err := s.bounds(ctx, w)
		if err != nil || first.IsZero() {
			return err
		}
		w.Between(first, last.Add(time.Millisecond))                                             // others may come meanwhile
		hour := clicks.HourOfWeek(first, last, loc, "intDiv(%s, %d)", "modulo(%s, toInt64(%d))") // of a short divisor it is short
		return s.fillWeek(ctx, w, hour, &week)
	})
	if err != nil {
		return shortener.HoursOfWeek{}, fmt.Errorf("count clicks by the hour of the week: %w", err)
	}
	return week, nil
}

func (s *Store) fillWeek(ctx context.Context, w clicks.Where, hour string, week *shortener.HoursOfWeek) error {
	misplaced := false
	err := s.ask(ctx, w, fill(fill(query("series"), "bucket", "toInt64("+hour+")"), "totals", totals), func(r *rows) {
		for r.more() {
			i, t := r.int64(), r.totals()
			if misplaced = i < 0 || i >= int64(len(week)); misplaced {
				return
			}
			week[i] = t
		}
	})
	if misplaced {
		return errRow
	}
	return err
}
