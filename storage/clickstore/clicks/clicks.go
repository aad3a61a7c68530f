// Package clicks holds what click stores have in common whatever engine keeps the clicks: which
// columns a question is about, which clicks it selects, where the buckets of a time series lie, which
// batches can be taken, and what a check of a store reports.
package clicks

import (
	"strings"
	"unicode/utf8"

	"snowlink/shortener"
)

// Text returns s as it is stored: what a visitor sends need not be UTF-8.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// CheckIdentities returns an Invalid problem if one of the batches has no producer's name in UTF-8 or
// no number: such a one could not be told from others when it comes again.
func CheckIdentities(batches []shortener.IngestBatch) error {
	for _, b := range batches {
		if b.Producer == "" || !utf8.ValidString(b.Producer) || b.Number == 0 {
			return shortener.Errorf(shortener.Invalid, "Batch %d of producer %q has no identity.", b.Number, b.Producer)
		}
	}
	return nil
}

// MaxFindings bounds the findings of one check in a Report.
const MaxFindings = 20

// Report is what the check of a store found.
type Report struct {
	Clicks    int64    `json:"clicks"`
	Batches   int64    `json:"batches"`
	Producers int64    `json:"producers"`
	Findings  []string `json:"findings"` // one sentence each; none: all is well
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return len(r.Findings) == 0 }
