package eventstore

import (
	"fmt"
	"time"

	"snowlink/shortener"
)

// Holdings is all that a store holds beside the log and its view. Idempotency keys that have expired are
// not among it.
type Holdings struct {
	Meta        map[string][]byte // secrets, by name
	Salts       map[string][]byte // by day
	Keys        []shortener.APIKey
	Used        []UsedKey
	Checkpoints map[string]int64
	Memberships map[uint64][]byte // bodies, by epoch
}

// NewHoldings returns empty holdings.
func NewHoldings() Holdings {
	return Holdings{
		Meta: make(map[string][]byte), Salts: make(map[string][]byte), Checkpoints: make(map[string]int64),
		Memberships: make(map[uint64][]byte),
	}
}

// UsedKey is an idempotency key and what was made under it.
type UsedKey struct {
	Owner, Key string
	Made       Made
	Expires    time.Time
}

// Succeed says what the event after head, taken from another store's log, makes of its link.
func Succeed(e shortener.Event, head int64, known Known) (Decision, error) {
	if e.Position != head+1 {
		return Decision{}, fmt.Errorf("import event %s: its position %d does not follow on %d", e.ID, e.Position, head)
	}
	before, err := known.Link(e.Ref)
	if err != nil {
		return Decision{}, err
	}
	after, err := Fold(before, e)
	return Decision{Before: before, After: after}, err
}
