package sqlite

import (
	"context"
	"fmt"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

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
		return eventstore.FoldEach(eachEvent(rows), eventstore.Ticker(ctx, total, progress), func(l shortener.Link) error {
			return w.putLink(shortener.Link{}, l)
		})
	})
}
