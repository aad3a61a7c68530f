package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// rebuildAtOnce is how many links are written at once by a replay.
const rebuildAtOnce = 1000

// Replay implements eventstore.Auditor. Appends of all processes wait for it, and are refused when they
// have waited for as long as they may.
func (s *Store) Replay(ctx context.Context, progress func(done, total int64)) error {
	return classify("replay", s.onItsOwn(ctx, func(conn *pgx.Conn) error {
		if err := begin(ctx, conn, "begin"); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, sql.Get("lock-head")); err != nil {
			return fmt.Errorf("wait for the appends under way: %w", err)
		}
		if err := rebuild(ctx, conn, progress); err != nil {
			return err
		}
		tag, err := conn.Exec(ctx, sql.Get("commit"))
		if err == nil && tag.String() != "COMMIT" {
			err = errors.New("the view was not committed, but answered by " + tag.String())
		}
		return err
	}))
}

func rebuild(ctx context.Context, conn *pgx.Conn, progress func(done, total int64)) error {
	var total int64
	if err := conn.QueryRow(ctx, sql.Get("count-events")).Scan(&total); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if _, err := conn.Exec(ctx, sql.Get("clear-links")); err != nil {
		return fmt.Errorf("clear the view: %w", err)
	}
	var links []shortener.Link
	flush := func() error {
		if len(links) == 0 {
			return nil
		}
		_, err := conn.Exec(ctx, sql.Get("insert-links"), linkColumns(links)...)
		links = links[:0]
		return err
	}
	err := eventstore.FoldEach(eachEvent(ctx, conn), eventstore.Ticker(ctx, total, progress), func(l shortener.Link) error {
		if _, err := eventstore.LinkID(l); err != nil {
			return err
		}
		if links = append(links, l); len(links) < rebuildAtOnce {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
