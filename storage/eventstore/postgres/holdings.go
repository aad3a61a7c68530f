package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Holdings implements eventstore.Portable.
func (s *Store) Holdings(ctx context.Context) (h eventstore.Holdings, err error) {
	err = s.onItsOwn(ctx, func(conn *pgx.Conn) error {
		h = eventstore.NewHoldings()
		if err := begin(ctx, conn, "begin-snapshot"); err != nil {
			return err
		}
		return readHoldings(ctx, conn, &h, s.opts.Now().UnixMilli())
	})
	return h, classify("read what the store holds", err)
}

// readHoldings reads all of it in one round trip.
func readHoldings(ctx context.Context, conn *pgx.Conn, h *eventstore.Holdings, now int64) error {
	batch := &pgx.Batch{}
	each := func(name string, row func(eventstore.Row) error, args ...any) {
		batch.Queue(sql.Get(name), args...).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				if err := row(rows); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return rows.Err()
		})
	}
	each("held-meta", func(row eventstore.Row) error { return scanPair(row, h.Meta) })
	each("held-salts", func(row eventstore.Row) error { return scanPair(row, h.Salts) })
	each("held-checkpoints", func(row eventstore.Row) error { return scanPair(row, h.Checkpoints) })
	each("held-memberships", func(row eventstore.Row) error { return scanPair(row, h.Memberships) })
	each("select-keys", func(row eventstore.Row) error {
		key, err := eventstore.ScanKey(row)
		h.Keys = append(h.Keys, key)
		return err
	})
	each("held-once", func(row eventstore.Row) error {
		used, err := eventstore.ScanUsed(row)
		h.Used = append(h.Used, used)
		return err
	}, now)
	return conn.SendBatch(ctx, batch).Close()
}

// scanPair reads a row of two columns into a map.
func scanPair[K comparable, V any](row eventstore.Row, into map[K]V) error {
	var key K
	var value V
	err := row.Scan(&key, &value)
	into[key] = value
	return err
}

// SetHoldings implements eventstore.Portable.
func (s *Store) SetHoldings(ctx context.Context, h eventstore.Holdings) error {
	return classify("set what the store holds", s.onItsOwn(ctx, func(conn *pgx.Conn) error {
		batch := &pgx.Batch{}
		batch.Queue(sql.Get("begin"))
		batch.Queue(sql.Get("take-your-time"), longIdle)
		for _, table := range []string{"meta", "salts", "keys", "once", "checkpoints", "memberships"} {
			batch.Queue(sql.Get("clear-" + table))
		}
		queueHoldings(batch, h)
		batch.Queue(sql.Get("commit"))
		return conn.SendBatch(ctx, batch).Close()
	}))
}

func queueHoldings(batch *pgx.Batch, h eventstore.Holdings) {
	for name, value := range h.Meta {
		batch.Queue(sql.Get("insert-meta"), name, value)
	}
	for day, salt := range h.Salts {
		batch.Queue(sql.Get("insert-salt"), day, salt)
	}
	for name, position := range h.Checkpoints {
		batch.Queue(sql.Get("put-checkpoint"), name, position)
	}
	for epoch, body := range h.Memberships {
		batch.Queue(sql.Get("set-membership"), int64(epoch), body)
	}
	for _, key := range h.Keys {
		batch.Queue(sql.Get("insert-key"), eventstore.KeyColumns(key)...)
	}
	if len(h.Used) > 0 {
		batch.Queue(sql.Get("put-once"), usedColumns(h.Used)...)
	}
}

// Import implements eventstore.Portable.
func (s *Store) Import(ctx context.Context, events []shortener.Event) error {
	// A connection that is given back within a transaction is closed.
	return classify("import events", s.pool.AcquireFunc(ctx, func(pooled *pgxpool.Conn) error {
		conn := pooled.Conn()
		q := &wanted{refs: make(map[shortener.Ref]bool)}
		for _, e := range events {
			q.link(e.Ref)
		}
		p, err := learn(ctx, conn, q)
		if err != nil {
			return err
		}
		for _, e := range events {
			d, err := eventstore.Succeed(e, p.head, p)
			if err != nil {
				return err
			}
			if err := p.put(d.Before, d.After); err != nil {
				return err
			}
			p.append(e)
		}
		err = p.write(ctx, conn, s.channel)
		if _, doubt := errors.AsType[inDoubt](err); doubt {
			return eventstore.Unknown(err)
		}
		if err == nil {
			s.advance(p.head)
		}
		return err
	}))
}
