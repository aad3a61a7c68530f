package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
)

// Membership implements eventstore.Memberships.
func (s *Store) Membership(ctx context.Context) (epoch uint64, body []byte, err error) {
	err = s.row(ctx, "select the membership", []any{&epoch, &body}, "select-membership")
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, nil
	}
	return epoch, body, err
}

// PutMembership implements eventstore.Memberships.
func (s *Store) PutMembership(ctx context.Context, epoch uint64, body []byte) error {
	tag, err := s.exec(ctx, "keep the membership", "insert-membership", int64(epoch), body)
	if err == nil && tag.RowsAffected() == 1 {
		return nil
	}
	if err != nil && code(err) != uniqueViolation {
		return err
	}
	last, _, err := s.Membership(ctx)
	if err != nil {
		return err
	}
	return shortener.Errorf(shortener.Conflict, "the membership has epoch %d, and %d does not follow it: look at it again", last, epoch)
}
