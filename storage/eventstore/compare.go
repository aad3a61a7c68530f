package eventstore

import (
	"iter"

	"snowlink/shortener"
)

// Shown is a link as the view has it.
type Shown struct {
	Link  shortener.Link
	Words string // what a search looks through
}

// Compare walks the log and the view side by side, both in the order of refs by their bytes, and
// reports in what the view is not the fold of the log. Behind an event that cannot be applied it goes
// on: the link is then folded as far as its events go. tick is called after each event. The error is
// one of reading, or tick's.
func (r *Report) Compare(events iter.Seq2[shortener.Event, error], view iter.Seq2[Shown, error], tick func() error) error {
	next, stop := iter.Pull2(view)
	defer stop()
	c := comparison{report: r, next: next}
	if err := c.advance(); err != nil {
		return err
	}
	if err := c.fold(events, tick); err != nil {
		return err
	}
	for c.more {
		if err := c.orphan(); err != nil {
			return err
		}
	}
	return nil
}

// comparison is a walk under way. shown is the first link of the view that was not compared yet.
type comparison struct {
	report *Report
	next   func() (Shown, error, bool)
	shown  Shown
	more   bool
}

func (c *comparison) advance() (err error) {
	c.shown, err, c.more = c.next()
	return err
}

// fold folds the events and compares each link as they leave it.
func (c *comparison) fold(events iter.Seq2[shortener.Event, error], tick func() error) error {
	var (
		link   shortener.Link
		ref    shortener.Ref
		broken bool
	)
	for e, err := range events {
		if err != nil {
			return err
		}
		if e.Ref != ref {
			if err := c.meet(link); err != nil {
				return err
			}
			link, ref, broken = shortener.Link{}, e.Ref, false
		}
		if !broken {
			if link, err = Fold(link, e); err != nil {
				broken = true
				c.report.Add(Fault{Ref: ref, Reason: err.Error()})
			}
		}
		if err := tick(); err != nil {
			return err
		}
	}
	return c.meet(link)
}

// meet compares the view with a link of the log.
func (c *comparison) meet(want shortener.Link) error {
	if want.Version == 0 {
		return nil
	}
	for c.more && before(c.shown.Link.Ref, want.Ref) {
		if err := c.orphan(); err != nil {
			return err
		}
	}
	if !c.more || c.shown.Link.Ref != want.Ref {
		c.report.Add(Fault{Ref: want.Ref, Field: "link", Want: want.Target, Reason: "the view lacks the link"})
		return nil
	}
	c.report.Links++
	const reason = "the view is not the fold of the log"
	for _, d := range differences(want, c.shown.Link) {
		c.report.Add(Fault{Ref: want.Ref, Field: d.field, Got: d.got, Want: d.want, Reason: reason})
	}
	if words := Words(want); c.shown.Words != words {
		c.report.Add(Fault{Ref: want.Ref, Field: "words", Got: c.shown.Words, Want: words, Reason: reason})
	}
	return c.advance()
}

// orphan reports a link that no event made.
func (c *comparison) orphan() error {
	c.report.Links++
	c.report.Add(Fault{Ref: c.shown.Link.Ref, Field: "link", Got: c.shown.Link.Target, Reason: "the view has a link that the log does not know"})
	return c.advance()
}

// before reports whether a is sorted before b.
func before(a, b shortener.Ref) bool {
	return a.Domain < b.Domain || a.Domain == b.Domain && a.Code < b.Code
}
