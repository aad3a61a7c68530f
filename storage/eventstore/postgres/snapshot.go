package postgres

import (
	"context"
	"iter"
	"strconv"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// fetchRows is how many rows of a cursor are fetched at once.
const fetchRows = 2000

// longIdle is how long a transaction may idle that walks whole tables, in milliseconds: what is done
// between two fetches takes no time unless this process is paused.
const longIdle = "60000"

// begin begins a transaction that may take as long as it needs.
func begin(ctx context.Context, conn *pgx.Conn, statement string) error {
	if _, err := conn.Exec(ctx, sql.Get(statement)); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, sql.Get("take-your-time"), longIdle)
	return err
}

// each yields the rows of a named statement within a transaction, through a cursor of that name:
// several may be under way on one connection.
func each[T any](ctx context.Context, conn *pgx.Conn, name string, scan func(eventstore.Row) (T, error)) iter.Seq2[T, error] {
	cursor := pgx.Identifier{name}.Sanitize()
	return func(yield func(T, error) bool) {
		var none T
		if _, err := conn.Exec(ctx, "DECLARE "+cursor+" NO SCROLL CURSOR FOR "+sql.Get(name)); err != nil {
			yield(none, err)
			return
		}
		for {
			batch, err := fetch(ctx, conn, cursor, scan)
			if err != nil {
				yield(none, err)
				return
			}
			for _, one := range batch {
				if !yield(one, nil) {
					return
				}
			}
			if len(batch) < fetchRows {
				_, err := conn.Exec(ctx, "CLOSE "+cursor)
				if err != nil {
					yield(none, err)
				}
				return
			}
		}
	}
}

func fetch[T any](ctx context.Context, conn *pgx.Conn, cursor string, scan func(eventstore.Row) (T, error)) ([]T, error) {
	rows, err := conn.Query(ctx, "FETCH "+strconv.Itoa(fetchRows)+" FROM "+cursor)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
}

func eachEvent(ctx context.Context, conn *pgx.Conn) iter.Seq2[shortener.Event, error] {
	return each(ctx, conn, "events-by-link", eventstore.ScanEvent)
}

func eachShown(ctx context.Context, conn *pgx.Conn) iter.Seq2[eventstore.Shown, error] {
	return each(ctx, conn, "links-by-ref", func(row eventstore.Row) (shown eventstore.Shown, err error) {
		shown.Link, err = scanLink(row, &shown.Words)
		return shown, err
	})
}
