package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Link implements shortener.Log.
func (s *Store) Link(ctx context.Context, ref shortener.Ref) (shortener.Link, error) {
	l, err := scanLink(s.reads.get("select-link").QueryRowContext(ctx, ref.Domain, ref.Code))
	if errors.Is(err, sql.ErrNoRows) {
		return shortener.Link{}, shortener.Errorf(shortener.NotFound, "there is no link %q", ref.Code)
	}
	return l, classify("select link", err)
}

// NewestID returns the highest id of all links, 0 if there are none: a generator of ids must not
// begin before the time in it.
func (s *Store) NewestID(ctx context.Context) (id int64, err error) {
	err = s.reads.get("newest-id").QueryRowContext(ctx).Scan(&id)
	return id, classify("select the newest id", err)
}

// LinksAfter returns up to limit links with greater ids than id, deleted ones too, in the order of ids.
// None means that there are no more: a walk over all links begins with 0 and goes on with the id of the
// last.
func (s *Store) LinksAfter(ctx context.Context, id int64, limit int) ([]shortener.Link, error) {
	rows, err := s.reads.get("links-after").QueryContext(ctx, id, limit)
	if err != nil {
		return nil, classify("walk the links", err)
	}
	return scanLinks(rows, "walk the links")
}

// CountLinks returns how many links there are, deleted ones too.
func (s *Store) CountLinks(ctx context.Context) (n int64, err error) {
	err = s.reads.get("count-links").QueryRowContext(ctx).Scan(&n)
	return n, classify("count the links", err)
}

// List returns the links that q selects, at most q.Limit of them, from after q.After on. A link that
// changes between two pages may move to the front of SortUpdated; no other is missed or told twice.
func (s *Store) List(ctx context.Context, q shortener.LinkQuery) ([]shortener.Link, error) {
	text, args, err := eventstore.ListStatement(q, statements.Get("has-tag"))
	if err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, classify("list links", err)
	}
	return scanLinks(rows, "list links")
}

// scanLinks reads all rows and closes them.
func scanLinks(rows *sql.Rows, doing string) ([]shortener.Link, error) {
	defer rows.Close()
	var links []shortener.Link
	for rows.Next() {
		l, err := scanLink(rows)
		if err != nil {
			return nil, classify(doing, err)
		}
		links = append(links, l)
	}
	return links, classify(doing, rows.Err())
}

// scanLink reads the columns of select-link, and those that follow them into more.
func scanLink(row eventstore.Row, more ...any) (shortener.Link, error) {
	var tags string
	l, err := eventstore.ScanLink(row, &tags, more...)
	if err != nil || tags == "[]" {
		return l, err
	}
	if err := json.Unmarshal([]byte(tags), &l.Tags); err != nil {
		return l, fmt.Errorf("tags of link %s: %w", l.Ref, err)
	}
	return l, nil
}
