package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// checks are files under sql. Each returns one sentence a row.
var checks = []string{"verify_sequences", "verify_batches", "verify_marks", "verify_references"}

// Verify reads the whole store and reports what contradicts itself: a click that is there twice, a
// batch with a gap, a batch without a mark or a mark without a batch, a click whose producer or user
// agent is unknown, a breakdown that does not add up.
func (s *Store) Verify(ctx context.Context) (clicks.Report, error) {
	var r clicks.Report
	err := s.snapshot(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, query("verify_size")).Scan(&r.Clicks, &r.Batches, &r.Producers); err != nil {
			return err
		}
		for _, check := range checks {
			rows, err := tx.QueryContext(ctx, query(check), clicks.MaxFindings)
			err = each(rows, err, func() error {
				var finding string
				err := rows.Scan(&finding)
				r.Findings = append(r.Findings, finding)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", check, err)
			}
		}
		return verifyBreakdowns(ctx, tx, &r)
	})
	if err != nil {
		return clicks.Report{}, fmt.Errorf("verify click store: %w", err)
	}
	return r, nil
}

func verifyBreakdowns(ctx context.Context, tx *sql.Tx, r *clicks.Report) error {
	for _, d := range slices.Sorted(slices.Values(shortener.Dimensions)) {
		value, err := clicks.Expression(d)
		if err != nil {
			return err
		}
		var sum int64
		if err := tx.QueryRowContext(ctx, fill(query("verify_breakdown"), "value", value)).Scan(&sum); err != nil {
			return err
		}
		if sum != r.Clicks {
			r.Findings = append(r.Findings, fmt.Sprintf("the shares by %s add up to %d clicks, there are %d", d, sum, r.Clicks))
		}
	}
	return nil
}
