package eventstore

import (
	"iter"
	"strings"
	"time"

	"snowlink/shortener"
)

// Fold applies events to a link. Its times are those that stores keep: UTC, in milliseconds.
func Fold(l shortener.Link, events ...shortener.Event) (shortener.Link, error) {
	for _, e := range events {
		var err error
		e.At = FromMillis(e.At.UnixMilli())
		if l, err = l.Apply(e); err != nil {
			return l, err
		}
	}
	l.StartsAt, l.ExpiresAt = FromMillis(Millis(l.StartsAt)), FromMillis(Millis(l.ExpiresAt))
	return l, nil
}

// FoldEach folds events that come link after link, and hands each link over when its last event was
// applied. tick is called after each event. The first error ends it, whosever it is.
func FoldEach(events iter.Seq2[shortener.Event, error], tick func() error, each func(shortener.Link) error) error {
	var link shortener.Link
	for e, err := range events {
		if err != nil {
			return err
		}
		if e.Ref != link.Ref && link.Version > 0 {
			if err := each(link); err != nil {
				return err
			}
		}
		if e.Ref != link.Ref {
			link = shortener.Link{}
		}
		if link, err = Fold(link, e); err != nil {
			return err
		}
		if err := tick(); err != nil {
			return err
		}
	}
	if link.Version == 0 {
		return nil
	}
	return each(link)
}

// Words returns what a search looks through. A search's words hold no newline, and cannot match
// across two fields.
func Words(l shortener.Link) string {
	return strings.ToLower(strings.Join(append([]string{l.Code, l.Target, l.Title, l.Note}, l.Tags...), "\n"))
}

// Millis returns a moment as stores keep it: Unix milliseconds, 0 for none.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis returns the moment that is kept as ms.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
