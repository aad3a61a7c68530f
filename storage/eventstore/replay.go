package eventstore

import (
	"context"
	"database/sql"
	"fmt"

	"snowlink/shortener"
)

// progressEvery is how many events pass between two calls of a progress function.
const progressEvery = 1000

// Replay makes the view of links anew from the log, in one transaction: readers see the old view until
// the new one is whole. It holds one link in memory at a time, and appends wait for it. progress, if
// not nil, is told how many events were applied and how many there are. On an error, and if ctx ends,
// the view stays as it was.
func (s *Store) Replay(ctx context.Context, progress func(done, total int64)) error {
	return s.do(ctx, "replay", func(w *writer) error {
		var total int64
		if err := w.row("count-events").Scan(&total); err != nil {
			return fmt.Errorf("count events: %w", err)
		}
		for _, name := range []string{"clear-tags", "clear-links"} {
			if err := w.exec(name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		rows, err := w.stmts.get("events-by-link").Query()
		if err != nil {
			return fmt.Errorf("select events: %w", err)
		}
		return foldEach(rows, reporter(ctx, total, progress), func(l shortener.Link) error {
			return w.putLink(shortener.Link{}, l)
		})
	})
}

// reporter returns a function to be called for each event: it tells progress of some, and returns
// ctx's error.
func reporter(ctx context.Context, total int64, progress func(done, total int64)) func() error {
	var done int64
	return func() error {
		done++
		if done%progressEvery != 0 && done != total {
			return nil
		}
		if progress != nil {
			progress(done, total)
		}
		return ctx.Err()
	}
}

// foldEach folds the events in rows, which are in the order of links, and hands each link over when
// its last event was applied. It closes rows.
func foldEach(rows *sql.Rows, tick func() error, each func(shortener.Link) error) error {
	defer rows.Close()
	var link shortener.Link
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if e.Ref != link.Ref && link.Version > 0 {
			if err := each(link); err != nil {
				return err
			}
		}
		if e.Ref != link.Ref {
			link = shortener.Link{}
		}
		if link, err = fold(link, []shortener.Event{e}); err != nil {
			return err
		}
		if err := tick(); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil || link.Version == 0 {
		return err
	}
	return each(link)
}
