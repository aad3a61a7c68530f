package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Link implements shortener.Log.
func (s *Store) Link(ctx context.Context, ref shortener.Ref) (link shortener.Link, err error) {
	if !text(ref.Domain, ref.Code) {
		return link, notFound(ref.Code)
	}
	err = s.read(ctx, "select link", func(ctx context.Context) error {
		link, err = scanLink(s.pool.QueryRow(ctx, sql.Get("select-link"), ref.Domain, ref.Code))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return link, notFound(ref.Code)
	}
	return link, err
}

// NewestID implements eventstore.Index.
func (s *Store) NewestID(ctx context.Context) (id int64, err error) {
	err = s.row(ctx, "select the newest id", []any{&id}, "newest-id")
	return id, err
}

// CountLinks implements eventstore.Index.
func (s *Store) CountLinks(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, "count the links", []any{&n}, "count-links")
	return n, err
}

// LinksAfter implements eventstore.Index.
func (s *Store) LinksAfter(ctx context.Context, id int64, limit int) ([]shortener.Link, error) {
	return s.links(ctx, "walk the links", sql.Get("links-after"), id, limit)
}

// List implements eventstore.Index.
func (s *Store) List(ctx context.Context, q shortener.LinkQuery) ([]shortener.Link, error) {
	statement, args, err := eventstore.ListStatement(q, sql.Get("has-tag"))
	if err != nil {
		return nil, err
	}
	if !text(q.Text, q.Tag) || q.Domain != nil && !text(*q.Domain) {
		return []shortener.Link{}, nil
	}
	return s.links(ctx, "list links", numbered(statement), args...)
}

func (s *Store) links(ctx context.Context, doing, statement string, args ...any) (links []shortener.Link, err error) {
	err = s.read(ctx, doing, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		links, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (shortener.Link, error) { return scanLink(row) })
		return err
	})
	return links, err
}

// numbered writes $1, $2, … for question marks.
func numbered(statement string) string {
	parts := strings.Split(statement, "?")
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// scanLink reads the columns of select-link, and those that follow them into more.
func scanLink(row eventstore.Row, more ...any) (shortener.Link, error) {
	var tags []string
	l, err := eventstore.ScanLink(row, &tags, more...)
	if len(tags) > 0 {
		l.Tags = tags
	}
	return l, err
}
