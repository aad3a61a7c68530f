package eventstore

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

// LinksAfter returns up to limit links with greater ids than id, deleted ones too, in the order of ids.
// None means that there are no more: a walk over all links begins with 0 and goes on with the id of the
// last.
func (s *Store) LinksAfter(ctx context.Context, id int64, limit int) ([]shortener.Link, error) {
	rows, err := s.reads.get("links-after").QueryContext(ctx, id, limit)
	if err != nil {
		return nil, classify("walk the links", err)
	}
	defer rows.Close()
	links := make([]shortener.Link, 0, min(limit, 4096))
	for rows.Next() {
		l, err := scanLink(rows)
		if err != nil {
			return nil, classify("walk the links", err)
		}
		links = append(links, l)
	}
	return links, classify("walk the links", rows.Err())
}

// CountLinks returns how many links there are, deleted ones too.
func (s *Store) CountLinks(ctx context.Context) (n int64, err error) {
	err = s.reads.get("count-links").QueryRowContext(ctx).Scan(&n)
	return n, classify("count the links", err)
}
