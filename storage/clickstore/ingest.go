package clickstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"github.com/duckdb/duckdb-go/v2"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// producer is what the store knows of one while it takes batches.
type producer struct {
	id      uint32
	stored  runs
	touched bool
}

// Ingest stores the batches that are not stored yet, all of them in one transaction, and returns how
// many those were. Batches that were stored before, or that come twice in the call, are passed over.
// After an error nothing of the call is stored, or all of it is: the caller gives the same batches
// again. A batch without clicks, they having
// been lost, is marked all the same; one without a producer's name in UTF-8 or without a number is
// Invalid.
//
// The context is looked at before the transaction begins; one that has begun is finished.
func (s *Store) Ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error) {
	if err := clicks.CheckIdentities(batches); err != nil || len(batches) == 0 {
		return 0, err
	}
	s.writer.Lock()
	defer s.writer.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	// A context that ended half-way would roll the transaction back under the appender's feet, and
	// the appender would go on outside of one.
	fresh, err = s.ingest(context.WithoutCancel(ctx), batches)
	if err != nil {
		s.agents = nil
		return 0, fmt.Errorf("ingest clicks: %w", err)
	}
	return fresh, nil
}

func (s *Store) ingest(ctx context.Context, batches []shortener.IngestBatch) (fresh int, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	fresh, agents, err := s.write(ctx, conn, tx, batches)
	if err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	s.agents.add(agents)
	return fresh, nil
}

// write does the work of ingest within tx, which is that of conn.
func (s *Store) write(ctx context.Context, conn *sql.Conn, tx *sql.Tx, batches []shortener.IngestBatch) (fresh int, agents map[string]uint32, err error) {
	producers, err := loadProducers(ctx, tx, batches)
	if err != nil {
		return 0, nil, err
	}
	fresh, rows := take(batches, producers)
	if fresh == 0 {
		return 0, nil, nil
	}
	if agents, err = s.agentIDs(ctx, tx, rows); err != nil {
		return 0, nil, err
	}
	if err := appendRows(conn, rows, agents); err != nil {
		return 0, nil, err
	}
	return fresh, agents, saveMarks(ctx, tx, producers)
}

// take marks the batches that are not stored yet and returns their number and clicks.
func take(batches []shortener.IngestBatch, producers map[string]*producer) (fresh int, rows []row) {
	for i := range batches {
		b := &batches[i]
		p := producers[b.Producer]
		if p.stored.has(b.Number) {
			continue
		}
		p.stored, p.touched = p.stored.with(b.Number), true
		fresh++
		for j := range b.Clicks {
			rows = append(rows, row{StoredClick: &b.Clicks[j], producer: p.id, batch: b.Number})
		}
	}
	return fresh, rows
}

// appendRows writes the clicks within the transaction conn is in.
func appendRows(conn *sql.Conn, rows []row, agents map[string]uint32) error {
	return conn.Raw(func(raw any) (err error) {
		appender, err := duckdb.NewAppenderFromConn(raw.(driver.Conn), "", "clicks")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, appender.Close()) }()
		values := make([]driver.Value, 0, 32)
		for _, r := range rows {
			values = r.appendValues(values[:0], agents[clicks.Text(r.UserAgent)])
			if err := appender.AppendRow(values...); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadProducers returns the producers of the batches with what is stored of them. Those that were
// not known are added.
func loadProducers(ctx context.Context, tx *sql.Tx, batches []shortener.IngestBatch) (map[string]*producer, error) {
	var names []string
	for _, b := range batches {
		if !slices.Contains(names, b.Producer) {
			names = append(names, b.Producer)
		}
	}
	rows, err := tx.QueryContext(ctx, query("marks_of"), names)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	defer rows.Close()
	out := make(map[string]*producer, len(names))
	for rows.Next() {
		var id uint32
		var name string
		var first, last sql.Null[uint64]
		if err := rows.Scan(&id, &name, &first, &last); err != nil {
			return nil, fmt.Errorf("read marks: %w", err)
		}
		p := out[name]
		if p == nil {
			p = &producer{id: id}
			out[name] = p
		}
		if first.Valid {
			p.stored = append(p.stored, run{first.V, last.V})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	return out, addProducers(ctx, tx, names, out)
}

func addProducers(ctx context.Context, tx *sql.Tx, names []string, known map[string]*producer) error {
	for _, name := range names {
		if known[name] != nil {
			continue
		}
		p := new(producer)
		if err := tx.QueryRowContext(ctx, query("add_producer"), name).Scan(&p.id); err != nil {
			return fmt.Errorf("add producer: %w", err)
		}
		known[name] = p
	}
	return nil
}

func saveMarks(ctx context.Context, tx *sql.Tx, producers map[string]*producer) error {
	var touched, ids []uint32
	var firsts, lasts []uint64
	for _, p := range producers {
		if !p.touched {
			continue
		}
		touched = append(touched, p.id)
		for _, r := range p.stored {
			ids, firsts, lasts = append(ids, p.id), append(firsts, r.first), append(lasts, r.last)
		}
	}
	if _, err := tx.ExecContext(ctx, query("drop_marks"), touched); err != nil {
		return fmt.Errorf("write marks: %w", err)
	}
	if _, err := tx.ExecContext(ctx, query("add_marks"), ids, firsts, lasts); err != nil {
		return fmt.Errorf("write marks: %w", err)
	}
	return nil
}
