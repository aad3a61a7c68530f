package eventstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"snowlink/shortener"
)

// Portable is a store that can be copied to another one, and from it.
type Portable interface {
	Feed
	Index
	Secrets
	// Holdings returns all that the store holds beside the log and its view.
	Holdings(ctx context.Context) (Holdings, error)
	// SetHoldings replaces all of that, in one transaction.
	SetHoldings(ctx context.Context, h Holdings) error
	// Import appends events of another store's log, in one transaction. They keep their positions,
	// of which the first must follow on the head.
	Import(ctx context.Context, events []shortener.Event) error
}

// copyAtOnce is how many events are imported at once.
const copyAtOnce = 1000

// ErrOccupied is wrapped by the error of Copy if the target holds something else.
var ErrOccupied = errors.New("the target of the copy is not empty")

// Copied is the outcome of a copy that was proven to be equal.
type Copied struct {
	Events   int64  // in the log of both
	Links    int64  // in the view of both
	Imported int64  // events that this copy brought; the others were there
	Log      string // SHA-256 of the log, in hexadecimal
	View     string // SHA-256 of the view of links
}

// Copy copies a store to one that is empty: the log with its positions and ids, the view, and all it
// holds beside, secrets too. Then it reads both again and proves that they are equal.
//
// A copy that was interrupted goes on when it is run again; until it is finished its target is refused
// by Open, unless told otherwise. A copy that was finished is brought up to date, if nothing else was
// written to it meanwhile. Nobody may write to either during the copy: what changes in the source after
// it was read is an error at the end. progress, if not nil, is told how many steps are done of how many:
// an event that is copied and an event that is proven are one each.
func Copy(ctx context.Context, from, to Portable, progress func(done, total int64)) (Copied, error) {
	var c Copied
	head, err := from.Head(ctx)
	if err != nil {
		return c, fmt.Errorf("read the source: %w", err)
	}
	at, err := admit(ctx, from, to, head)
	if err != nil {
		return c, err
	}
	c.Imported = head - at
	report := func(done int64) {
		if progress != nil {
			progress(done, 2*head)
		}
	}
	if err := transfer(ctx, from, to, at, head, report); err != nil {
		return c, err
	}
	if err := c.prove(ctx, from, to, head, report); err != nil {
		return c, err
	}
	return c, hand(ctx, from, to)
}

// admit sees to it that the target may take the rest of the log, marks it as unfinished, and returns
// where its log ends.
func admit(ctx context.Context, from, to Portable, head int64) (at int64, err error) {
	ours, err := from.Holdings(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the source: %w", err)
	}
	theirs, err := to.Holdings(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the target: %w", err)
	}
	if at, err = to.Head(ctx); err != nil {
		return 0, fmt.Errorf("read the target: %w", err)
	}
	mark := sum(ours.Meta)
	found, marked := theirs.Meta[UnfinishedCopy]
	switch {
	case ours.Meta[UnfinishedCopy] != nil:
		return 0, fmt.Errorf("the source of the copy cannot be used: %w", ErrUnfinishedCopy)
	case marked && string(found) != mark:
		return 0, fmt.Errorf("%w: it is an unfinished copy of another store", ErrOccupied)
	case !marked && !emptyOrCopied(theirs, ours, at):
		return 0, fmt.Errorf("%w: it holds links, keys or secrets of its own: name an empty one", ErrOccupied)
	}
	if err := sameEnd(ctx, from, to, at, head); err != nil {
		return 0, err
	}
	if _, err = to.Meta(ctx, UnfinishedCopy, func() []byte { return []byte(mark) }); err != nil {
		return 0, fmt.Errorf("write the target: %w", err)
	}
	return at, refuseItself(ctx, from, ours)
}

// emptyOrCopied reports whether a store with no mark is empty, or may be a copy that was finished: it
// holds nothing that the source does not hold.
func emptyOrCopied(theirs, ours Holdings, head int64) bool {
	if head == 0 && reflect.DeepEqual(theirs, NewHoldings()) {
		return true
	}
	if len(theirs.Meta) == 0 && len(ours.Meta) > 0 {
		return false
	}
	for name, value := range theirs.Meta {
		if string(ours.Meta[name]) != string(value) {
			return false
		}
	}
	for _, key := range theirs.Keys {
		if !slices.ContainsFunc(ours.Keys, func(k shortener.APIKey) bool { return k.Hash == key.Hash }) {
			return false
		}
	}
	return true
}

// refuseItself takes the mark away again if it was the source that was marked.
func refuseItself(ctx context.Context, from Portable, before Holdings) error {
	now, err := from.Holdings(ctx)
	if err != nil {
		return fmt.Errorf("read the source: %w", err)
	}
	if now.Meta[UnfinishedCopy] == nil {
		return nil
	}
	return errors.Join(errors.New("the source and the target of the copy are the same store"), from.SetHoldings(ctx, before))
}

// sameEnd checks that the target's log, which ends at a position, may be the beginning of the source's.
// The proof at the end compares all of it.
func sameEnd(ctx context.Context, from, to Portable, at, head int64) error {
	if at > head {
		return fmt.Errorf("%w: it has %d events, and the source has %d", ErrOccupied, at, head)
	}
	if at == 0 {
		return nil
	}
	ours, err := from.Read(ctx, at-1, 1)
	if err != nil {
		return fmt.Errorf("read the source: %w", err)
	}
	theirs, err := to.Read(ctx, at-1, 1)
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	if !reflect.DeepEqual(ours, theirs) {
		return fmt.Errorf("%w: its log is another one, and differs at position %d", ErrOccupied, at)
	}
	return nil
}

// transfer imports the events after a position up to the head. The next ones are read meanwhile.
func transfer(ctx context.Context, from, to Portable, at, head int64, report func(int64)) error {
	for batch, err := range ahead(ctx, from, at, head) {
		if err != nil {
			return fmt.Errorf("read the source: %w", err)
		}
		if err := to.Import(ctx, batch); err != nil {
			return fmt.Errorf("write the target: %w", err)
		}
		report(batch[len(batch)-1].Position)
	}
	return ctx.Err()
}

// hand gives the target all that the source holds, which takes the mark away, and proves it.
func hand(ctx context.Context, from, to Portable) error {
	ours, err := from.Holdings(ctx)
	if err != nil {
		return fmt.Errorf("read the source: %w", err)
	}
	if err := to.SetHoldings(ctx, ours); err != nil {
		return fmt.Errorf("write the target: %w", err)
	}
	theirs, err := to.Holdings(ctx)
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	if !equalHoldings(ours, theirs) {
		return errors.New("the copy is not equal: secrets, keys, checkpoints or memberships differ")
	}
	return nil
}

func equalHoldings(a, b Holdings) bool {
	byKey := func(x, y UsedKey) int {
		return slices.Compare([]byte(x.Owner+"\n"+x.Key), []byte(y.Owner+"\n"+y.Key))
	}
	a.Used, b.Used = slices.SortedFunc(slices.Values(a.Used), byKey), slices.SortedFunc(slices.Values(b.Used), byKey)
	return reflect.DeepEqual(a, b)
}

// sum names a store by its secrets without telling them.
func sum(meta map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		value := sha256.Sum256(meta[name])
		fmt.Fprintf(h, "%s %x\n", name, value)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
