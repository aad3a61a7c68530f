package eventstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"snowlink/shortener"
)

// maxFaults bounds the faults that a Report lists. All are counted.
const maxFaults = 1000

// Report is what Verify found.
type Report struct {
	Events int64   // in the log
	Links  int64   // in the view
	Count  int64   // of faults
	Faults []Fault // the first 1,000
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return r.Count == 0 }

// Fault is one thing that is not as it must be.
type Fault struct {
	Ref    shortener.Ref // the link, zero if the fault is none of a link's
	Field  string        // of the view: "target"; "" for a fault of the log or of the file
	Got    string
	Want   string
	Reason string
}

// String says the fault in one line.
func (f Fault) String() string {
	if f.Field == "" {
		return f.Reason
	}
	return fmt.Sprintf("link %s: %s: %s is %q, want %q", f.Ref, f.Reason, f.Field, f.Got, f.Want)
}

func (r *Report) add(f Fault) {
	r.Count++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Verify checks that the pages of the file are sound, that positions and the versions of each link
// are gapless, and that the view is the fold of the log, field by field. It reads one moment of the
// store and holds up nobody. The error says that it could not be read; what is wrong with what was
// read is in the report.
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) (Report, error) {
	var r Report
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
	report   *Report
	progress func(done, total int64)
}

func (v *verification) each(name string, row func(*sql.Rows) error) error {
	rows, err := v.tx.QueryContext(v.ctx, statement(name))
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
			v.report.add(Fault{Reason: "the file is damaged: " + finding})
		}
		return err
	})
}

func (v *verification) positions() error {
	if err := v.tx.QueryRowContext(v.ctx, statement("count-events")).Scan(&v.report.Events); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	return v.each("gaps", func(rows *sql.Rows) error {
		var first, last int64
		err := rows.Scan(&first, &last)
		if err == nil {
			v.report.add(Fault{Reason: fmt.Sprintf("the log lacks the positions %d to %d", first, last)})
		}
		return err
	})
}

func (v *verification) tags() error {
	return v.each("stray-tags", func(rows *sql.Rows) error {
		var ref shortener.Ref
		err := rows.Scan(&ref.Domain, &ref.Code)
		if err == nil {
			v.report.add(Fault{Ref: ref, Field: "link_tags", Got: "other tags", Want: "the link's tags", Reason: "the index of tags differs"})
		}
		return err
	})
}

// view walks the log and the view side by side, both in the order of refs.
func (v *verification) view() error {
	links, err := v.tx.QueryContext(v.ctx, statement("links-by-ref"))
	if err != nil {
		return fmt.Errorf("links-by-ref: %w", err)
	}
	defer links.Close()
	shown := viewReader{rows: links}
	if err := shown.next(); err != nil {
		return err
	}
	events, err := v.tx.QueryContext(v.ctx, statement("events-by-link"))
	if err != nil {
		return fmt.Errorf("events-by-link: %w", err)
	}
	err = v.foldEach(events, func(want shortener.Link) error {
		for shown.more && before(shown.link.Ref, want.Ref) {
			if err := v.orphan(&shown); err != nil {
				return err
			}
		}
		if !shown.more || shown.link.Ref != want.Ref {
			v.report.add(Fault{Ref: want.Ref, Field: "link", Want: want.Target, Reason: "the view lacks the link"})
			return nil
		}
		v.report.Links++
		v.compare(shown, want)
		return shown.next()
	})
	for err == nil && shown.more {
		err = v.orphan(&shown)
	}
	return err
}

func (v *verification) orphan(shown *viewReader) error {
	v.report.Links++
	v.report.add(Fault{Ref: shown.link.Ref, Field: "link", Got: shown.link.Target, Reason: "the view has a link that the log does not know"})
	return shown.next()
}

func (v *verification) compare(shown viewReader, want shortener.Link) {
	for _, d := range differences(want, shown.link) {
		v.report.add(Fault{Ref: want.Ref, Field: d.field, Got: d.got, Want: d.want, Reason: "the view is not the fold of the log"})
	}
	if shown.words != words(want) {
		v.report.add(Fault{Ref: want.Ref, Field: "words", Got: shown.words, Want: words(want), Reason: "the view is not the fold of the log"})
	}
}

// foldEach is like the function of that name, but goes on behind an event that cannot be applied: the
// link is then folded as far as its events go.
func (v *verification) foldEach(rows *sql.Rows, each func(shortener.Link) error) error {
	defer rows.Close()
	tick := reporter(v.ctx, v.report.Events, v.progress)
	var (
		link   shortener.Link
		ref    shortener.Ref
		broken bool
	)
	hand := func() error {
		if link.Version == 0 {
			return nil
		}
		return each(link)
	}
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if e.Ref != ref {
			if err := hand(); err != nil {
				return err
			}
			link, ref, broken = shortener.Link{}, e.Ref, false
		}
		if !broken {
			if link, err = fold(link, []shortener.Event{e}); err != nil {
				broken = true
				v.report.add(Fault{Ref: ref, Reason: err.Error()})
			}
		}
		if err := tick(); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return hand()
}

// viewReader reads the view one link at a time.
type viewReader struct {
	rows  *sql.Rows
	link  shortener.Link
	words string
	more  bool
}

func (r *viewReader) next() (err error) {
	if r.more = r.rows.Next(); !r.more {
		return r.rows.Err()
	}
	r.link, err = scanLink(r.rows, &r.words)
	return err
}

// before reports whether a is sorted before b.
func before(a, b shortener.Ref) bool {
	return a.Domain < b.Domain || a.Domain == b.Domain && a.Code < b.Code
}
