package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clicks"
)

// Report is what Verify found.
type Report = clicks.Report

// verifiedAtOnce bounds the clicks whose sequence numbers are compared at once, and so the memory.
const verifiedAtOnce = 4_000_000

// Verify reads the whole store and reports what contradicts itself: a click that is there twice, a
// batch with a gap, of another size than was said, or of nobody, a batch that is marked as stored and
// is not there, a breakdown that does not add up. Others may write meanwhile.
func (s *Store) Verify(ctx context.Context) (r Report, err error) {
	if r, err = s.verify(ctx); err == nil && !r.OK() {
		// A question sees several tables at slightly different times. What was found only for that is gone when one
		// looks again.
		first := r.Findings
		if r, err = s.verify(ctx); err == nil {
			r.Findings = slices.DeleteFunc(r.Findings, func(f string) bool { return !slices.Contains(first, f) })
		}
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify click store: %w", err)
	}
	return r, nil
}

func (s *Store) verify(ctx context.Context) (r Report, err error) {
	err = s.answer(ctx, clicks.Where{}, query("verify_size"), func(a *rows) {
		r.Clicks, r.Batches, r.Producers = a.int64(), a.int64(), a.int64()
	})
	if err != nil {
		return r, err
	}
	hours, err := s.hours(ctx, clicks.Where{}, false)
	if err != nil {
		return r, err
	}
	for _, span := range spans(hours, verifiedAtOnce) {
		if err := s.check(ctx, "verify_sequences", span.clause(clicks.Where{}), &r); err != nil {
			return r, err
		}
	}
	for _, check := range []string{"verify_batches", "verify_marks"} {
		if err := s.check(ctx, check, clicks.Where{}, &r); err != nil {
			return r, err
		}
	}
	return r, s.verifyBreakdowns(ctx, &r)
}

// check appends what a file under sql finds, one sentence a row.
func (s *Store) check(ctx context.Context, name string, w clicks.Where, r *Report) error {
	var found []string
	err := s.answer(ctx, w, fill(query(name), "limit", strconv.Itoa(clicks.MaxFindings)), func(a *rows) {
		for found = nil; a.more(); {
			found = append(found, a.string())
		}
	})
	r.Findings = append(r.Findings, found...)
	return err
}

// verifyBreakdowns compares the sum of each breakdown with the clicks before and after: there are
// never fewer later.
func (s *Store) verifyBreakdowns(ctx context.Context, r *Report) error {
	number := func(text string) (n int64, err error) {
		err = s.answer(ctx, clicks.Where{}, text, func(a *rows) { n = a.int64() })
		return n, err
	}
	before := r.Clicks
	for _, d := range slices.Sorted(slices.Values(shortener.Dimensions)) {
		value, err := clicks.Expression(d)
		if err != nil {
			return err
		}
		sum, err := number(fill(query("verify_breakdown"), "value", value))
		if err != nil {
			return err
		}
		after, err := number("SELECT count() FROM clicks {selection}")
		if err != nil {
			return err
		}
		if sum < before || sum > after {
			r.Findings = append(r.Findings, fmt.Sprintf("the shares by %s add up to %d clicks, there are %d", d, sum, after))
		}
		before = after
	}
	return nil
}
