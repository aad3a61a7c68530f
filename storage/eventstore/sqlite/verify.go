package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Verify implements eventstore.Auditor. It checks the pages of the file too.
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error) {
	var r eventstore.Report
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return r, classify("verify", err)
	}
	defer tx.Rollback()
	check := verification{tx: tx, ctx: ctx, report: &r, progress: progress}
	err = errors.Join(check.pages(), check.positions(), check.view(), check.tags())
	return r, classify("verify", err)
}

type verification struct {
	tx       *sql.Tx
	ctx      context.Context // of the one call of Verify
	report   *eventstore.Report
	progress func(done, total int64)
}

func (v *verification) each(name string, row func(*sql.Rows) error) error {
	rows, err := v.tx.QueryContext(v.ctx, statements.Get(name))
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

func (v *verification) pages() error {
	return v.each("pages", func(rows *sql.Rows) error {
		var finding string
		err := rows.Scan(&finding)
		if err == nil && finding != "ok" {
			v.report.Add(eventstore.Fault{Reason: "the file is damaged: " + finding})
		}
		return err
	})
}

func (v *verification) positions() error {
	if err := v.tx.QueryRowContext(v.ctx, statements.Get("count-events")).Scan(&v.report.Events); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	return v.each("gaps", func(rows *sql.Rows) error {
		var first, last int64
		err := rows.Scan(&first, &last)
		if err == nil {
			v.report.Add(eventstore.Gap(first, last))
		}
		return err
	})
}

func (v *verification) tags() error {
	return v.each("stray-tags", func(rows *sql.Rows) error {
		var ref shortener.Ref
		err := rows.Scan(&ref.Domain, &ref.Code)
		if err == nil {
			v.report.Add(eventstore.Fault{Ref: ref, Field: "link_tags", Got: "other tags", Want: "the link's tags", Reason: "the index of tags differs"})
		}
		return err
	})
}

// view compares the log with the view.
func (v *verification) view() error {
	links, err := v.tx.QueryContext(v.ctx, statements.Get("links-by-ref"))
	if err != nil {
		return fmt.Errorf("links-by-ref: %w", err)
	}
	defer links.Close()
	events, err := v.tx.QueryContext(v.ctx, statements.Get("events-by-link"))
	if err != nil {
		return fmt.Errorf("events-by-link: %w", err)
	}
	defer events.Close()
	return v.report.Compare(eachEvent(events), eachShown(links), eventstore.Ticker(v.ctx, v.report.Events, v.progress))
}

// eachShown yields the rows of links-by-ref.
func eachShown(rows *sql.Rows) iter.Seq2[eventstore.Shown, error] {
	return func(yield func(eventstore.Shown, error) bool) {
		for rows.Next() {
			var shown eventstore.Shown
			var err error
			shown.Link, err = scanLink(rows, &shown.Words)
			if !yield(shown, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(eventstore.Shown{}, err)
		}
	}
}
