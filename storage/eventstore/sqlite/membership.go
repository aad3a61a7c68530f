package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"snowlink/shortener"
)

// Membership returns the membership of the link shards that was kept last, and its epoch: 0 if there
// is none.
func (s *Store) Membership(ctx context.Context) (epoch uint64, body []byte, err error) {
	err = s.reads.get("select-membership").QueryRowContext(ctx).Scan(&epoch, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	return epoch, body, classify("select the membership", err)
}

// PutMembership keeps a membership if its epoch is the one after the last. Any other is a Conflict: who
// made it did not know of the last one.
func (s *Store) PutMembership(ctx context.Context, epoch uint64, body []byte) error {
	return s.do(ctx, "keep the membership", func(w *writer) error {
		var last uint64
		var unused []byte
		err := w.row("select-membership").Scan(&last, &unused)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if epoch != last+1 {
			return shortener.Errorf(shortener.Conflict, "the membership has epoch %d, and %d does not follow it: look at it again", last, epoch)
		}
		return w.exec("insert-membership", epoch, body)
	})
}
