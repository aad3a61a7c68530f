package eventstore

import (
	"bytes"
	"fmt"

	"snowlink/shortener"
)

// Known is what a transaction knows of the log. What it answers holds until the transaction ends, but
// for what the transaction itself writes.
type Known interface {
	// Link returns the link, the zero Link if there is none.
	Link(ref shortener.Ref) (shortener.Link, error)
	// LinkAt returns the link as it was at a version that it has had.
	LinkAt(ref shortener.Ref, version int64) (shortener.Link, error)
	// Event returns the place of the event with that id, the zero Place if there is none.
	Event(id string) (Place, error)
	// Once returns what was made under an idempotency key that has not expired, the zero Made if
	// nothing was.
	Once(owner, key string) (Made, error)
}

// Place is where an event stands.
type Place struct {
	Ref      shortener.Ref
	Version  int64
	Position int64
}

// Made is what was made under an idempotency key: a link as of a version.
type Made struct {
	Fingerprint []byte
	Ref         shortener.Ref
	Version     int64
}

// Decision is what becomes of a commit that is no error.
type Decision struct {
	Before   shortener.Link // zero if the commit makes the link
	After    shortener.Link // the answer
	Replayed bool           // nothing is to be written: it was done before
	Stored   []Place        // of the commit's events, if it was this very commit that was done before
}

// Check refuses commits that no state of a store could accept.
func Check(c shortener.Commit) error {
	if len(c.Events) == 0 {
		return fmt.Errorf("append to %s: no events", c.Ref)
	}
	for _, e := range c.Events {
		if e.Ref != c.Ref || e.ID == "" {
			return fmt.Errorf("append to %s: event %q of link %s", c.Ref, e.ID, e.Ref)
		}
	}
	return nil
}

// Decide says what becomes of a commit that passed Check. It writes nothing: after an error, and after
// a decision that is Replayed, all is as it was; else the events, the link and the idempotency key are
// to be written.
func Decide(c shortener.Commit, known Known) (Decision, error) {
	stored, used, err := lookUp(c.Ref, c.Events, known)
	if err != nil {
		return Decision{}, err
	}
	if stored != nil {
		link, err := known.LinkAt(c.Ref, stored[len(stored)-1].Version)
		return Decision{After: link, Replayed: true, Stored: stored}, err
	}
	if c.Once != nil {
		if d, err := decideOnce(*c.Once, known); d.Replayed || err != nil {
			return d, err
		}
	}
	before, err := known.Link(c.Ref)
	switch {
	case err != nil:
		return Decision{}, err
	case before.Version != c.Expected && c.Expected == 0:
		return Decision{}, shortener.Errorf(shortener.Taken, "the code %q belongs to another link: choose another", c.Ref.Code)
	case before.Version != c.Expected:
		return Decision{}, shortener.Errorf(shortener.Conflict,
			"the link has version %d, not %d: look at it again and repeat the change", before.Version, c.Expected)
	case used:
		return Decision{}, fmt.Errorf("append to %s: an event id belongs to another event", c.Ref)
	}
	after, err := Fold(before, c.Events...)
	if err != nil {
		return Decision{}, err
	}
	if wrong := differences(after, c.After); len(wrong) > 0 {
		return Decision{}, fmt.Errorf("append to %s: the events do not lead to the link given: %v", c.Ref, wrong)
	}
	return Decision{Before: before, After: after}, nil
}

// lookUp returns the places of the events if all of them are stored for the link, and whether any of
// their ids is stored at all.
func lookUp(ref shortener.Ref, events []shortener.Event, known Known) (stored []Place, used bool, err error) {
	own := true
	for _, e := range events {
		place, err := known.Event(e.ID)
		if err != nil {
			return nil, false, fmt.Errorf("look for event %s: %w", e.ID, err)
		}
		used = used || place.Version > 0
		own = own && place.Version > 0 && place.Ref == ref
		stored = append(stored, place)
	}
	if !own {
		stored = nil
	}
	return stored, used, nil
}

// decideOnce answers a commit under a used idempotency key with the link as it was made then.
func decideOnce(once shortener.Once, known Known) (Decision, error) {
	made, err := known.Once(once.Owner, once.Key)
	switch {
	case err != nil:
		return Decision{}, fmt.Errorf("look for an idempotency key: %w", err)
	case made.Version == 0:
		return Decision{}, nil
	case !bytes.Equal(made.Fingerprint, once.Fingerprint[:]):
		return Decision{}, shortener.InvalidField("Idempotency-Key", "idempotency-key-reused",
			"this idempotency key was used for another request: use a new one")
	}
	link, err := known.LinkAt(made.Ref, made.Version)
	return Decision{After: link, Replayed: true}, err
}
