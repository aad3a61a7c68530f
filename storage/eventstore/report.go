package eventstore

import (
	"context"
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

// Add counts a fault.
func (r *Report) Add(f Fault) {
	r.Count++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Gap is the fault of a log that lacks positions.
func Gap(first, last int64) Fault {
	return Fault{Reason: fmt.Sprintf("the log lacks the positions %d to %d", first, last)}
}

// progressEvery is how many events pass between two calls of a progress function.
const progressEvery = 1000

// Ticker returns a function to be called for each event: it tells progress, if that is not nil, of
// some, and returns ctx's error.
func Ticker(ctx context.Context, total int64, progress func(done, total int64)) func() error {
	var done int64
	return func() error {
		done++
		if done%progressEvery != 0 && done != total {
			return nil
		}
		if progress != nil {
			progress(done, total)
		}
		return ctx.Err()
	}
}
