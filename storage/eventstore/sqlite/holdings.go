package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Holdings implements eventstore.Portable.
func (s *Store) Holdings(ctx context.Context) (eventstore.Holdings, error) {
	h := eventstore.NewHoldings()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return h, classify("read what the store holds", err)
	}
	defer tx.Rollback()
	each := func(name string, row func(eventstore.Row) error, args ...any) {
		if err == nil {
			err = eachRow(ctx, tx, name, row, args...)
		}
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
	}, s.opts.Now().UnixMilli())
	return h, classify("read what the store holds", err)
}

func eachRow(ctx context.Context, tx *sql.Tx, name string, row func(eventstore.Row) error, args ...any) error {
	rows, err := tx.QueryContext(ctx, statements.Get(name), args...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return rows.Err()
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
	return s.do(ctx, "set what the store holds", func(w *writer) error {
		for _, table := range []string{"meta", "salts", "keys", "once", "checkpoints", "memberships"} {
			if _, err := s.conn.ExecContext(context.Background(), statements.Get("clear-"+table)); err != nil {
				return fmt.Errorf("clear %s: %w", table, err)
			}
		}
		for name, rows := range holdingRows(h) {
			for _, row := range rows {
				if err := w.exec(name, row...); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
		return nil
	})
}

// holdingRows returns the rows to be inserted, by the statement that does it.
func holdingRows(h eventstore.Holdings) map[string][][]any {
	rows := make(map[string][][]any)
	put := func(name string, row ...any) { rows[name] = append(rows[name], row) }
	for name, value := range h.Meta {
		put("insert-meta", name, value)
	}
	for day, salt := range h.Salts {
		put("insert-salt", day, salt)
	}
	for name, position := range h.Checkpoints {
		put("put-checkpoint", name, position)
	}
	for epoch, body := range h.Memberships {
		put("insert-membership", epoch, body)
	}
	for _, key := range h.Keys {
		put("insert-key", eventstore.KeyColumns(key)...)
	}
	for _, u := range h.Used {
		put("put-once", u.Owner, u.Key, u.Made.Fingerprint, u.Made.Ref.Domain, u.Made.Ref.Code, u.Made.Version, u.Expires.UnixMilli())
	}
	return rows
}

// Import implements eventstore.Portable.
func (s *Store) Import(ctx context.Context, events []shortener.Event) error {
	return s.do(ctx, "import events", func(w *writer) error {
		for _, e := range events {
			d, err := eventstore.Succeed(e, w.head, known{w})
			if err != nil {
				return err
			}
			if err := w.insertEvent(e); err != nil {
				return fmt.Errorf("insert event: %w", err)
			}
			if err := w.putLink(d.Before, d.After); err != nil {
				return err
			}
		}
		return nil
	})
}
