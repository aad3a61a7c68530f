package postgres

import (
	"context"
	"fmt"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// request is a commit that waits for the writer, and what became of it.
type request struct {
	commit shortener.Commit
	made   *eventstore.Decision
}

// Append implements shortener.Log. A commit whose events are all stored for that link already is
// answered like one under a used idempotency key: with the link as it was made then, and replayed.
// The link is the fold of its events; a commit whose After is not that is a fault of the caller's and
// writes nothing. If ctx ends while the commit is being written, the error says that its outcome is not
// known.
func (s *Store) Append(ctx context.Context, c shortener.Commit) (link shortener.Link, replayed bool, err error) {
	if err := eventstore.Check(c); err != nil {
		return shortener.Link{}, false, err
	}
	doing := "append to " + c.Ref.String()
	var d eventstore.Decision
	w, err := s.queue.Hand(ctx, request{commit: c, made: &d})
	if err != nil {
		return shortener.Link{}, false, classify(doing, err)
	}
	select {
	case <-w.Done():
	case <-ctx.Done():
		return shortener.Link{}, false, eventstore.Unknown(fmt.Errorf("%s: %w", doing, ctx.Err()))
	}
	if w.Err != nil {
		return shortener.Link{}, false, classify(doing, w.Err)
	}
	for i, place := range d.Stored {
		c.Events[i].Position = place.Position
	}
	return d.After, d.Replayed, nil
}
