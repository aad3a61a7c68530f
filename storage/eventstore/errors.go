package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"snowlink/shortener"
)

// retryAfter is what callers are told who find the store unavailable: as a rule it is back soon or not
// for long.
const retryAfter = time.Second

// ErrClosed is what callers get once the store was closed.
var ErrClosed = unavailable("the event store is closed")

func unavailable(message string) *shortener.Problem {
	p := shortener.Errorf(shortener.Unavailable, "%s", message)
	p.RetryAfter = retryAfter
	return p
}

// Unavailable returns the error of what cannot be done at the moment.
func Unavailable(cause error) error {
	return unavailable("the event store cannot be used at the moment").Wrap(cause)
}

// Unknown returns the error of an append of which nobody can say at the moment whether it was done.
func Unknown(cause error) error {
	return unavailable("the event store was lost while it wrote: whether the change was made is not known; repeat it with the same idempotency key").Wrap(cause)
}

// Classify says what a caller can do about err, and adds what was being done. Problems and nil pass.
// away tells which errors say that the store cannot be used; a deadline that passed always does.
func Classify(doing string, err error, away func(error) bool) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*shortener.Problem](err); ok {
		return err
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	if errors.Is(err, context.DeadlineExceeded) || away(err) {
		return Unavailable(wrapped)
	}
	return wrapped
}

// UnfinishedCopy is the name in Secrets of the mark that a store has while it is the target of Copy.
const UnfinishedCopy = "unfinished-copy"

// ErrUnfinishedCopy is the error of opening a store that Copy has begun to fill and not finished.
var ErrUnfinishedCopy = errors.New("the event store is an unfinished copy of another: finish it by running the same copy again, or empty it")
