package eventstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"snowlink/shortener"
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

// List returns the links that q selects, at most q.Limit of them, from after q.After on. A link that
// changes between two pages may move to the front of SortUpdated; no other is missed or told twice.
func (s *Store) List(ctx context.Context, q shortener.LinkQuery) ([]shortener.Link, error) {
	text, args, err := listStatement(q)
	if err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, classify("list links", err)
	}
	defer rows.Close()
	links := make([]shortener.Link, 0, min(q.Limit, 1000))
	for rows.Next() {
		l, err := scanLink(rows)
		if err != nil {
			return nil, classify("list links", err)
		}
		links = append(links, l)
	}
	return links, classify("list links", rows.Err())
}

// listStatement puts the statement for q together out of the parts in list.sql.
func listStatement(q shortener.LinkQuery) (text string, args []any, err error) {
	if q.Limit < 1 {
		return "", nil, fmt.Errorf("list links: limit %d", q.Limit)
	}
	var conditions []string
	where := func(name string, values ...any) {
		conditions = append(conditions, statement(name))
		args = append(args, values...)
	}
	now := q.Now.UnixMilli()
	switch q.Status {
	case shortener.StatusActive, shortener.StatusScheduled:
		where("list-"+string(q.Status), now, now)
	case shortener.StatusExpired:
		where("list-expired", now)
	case shortener.StatusDisabled, shortener.StatusDeleted:
		where("list-" + string(q.Status))
	case "":
		where("list-present")
	default:
		return "", nil, shortener.InvalidField("status", "invalid-status", "there is no status %q", q.Status)
	}
	for _, word := range strings.Fields(strings.ToLower(q.Text)) {
		where("list-word", "%"+likeEscaper.Replace(word)+"%")
	}
	if q.Tag != "" {
		where("list-tag", q.Tag)
	}
	if q.Domain != nil {
		where("list-domain", *q.Domain)
	}
	sort := "created"
	if q.Sort == shortener.SortUpdated {
		sort = "updated"
	}
	if q.After != nil {
		id, err := strconv.ParseInt(q.After.ID, 10, 64)
		if err != nil {
			return "", nil, shortener.InvalidField("cursor", "invalid-cursor", "the cursor is not one of this list's")
		}
		where("list-after-"+sort, q.After.At.UnixMilli(), id)
	}
	text = statement("list") + "\n" + strings.Join(conditions, "\nAND ") + "\n" + statement("list-by-"+sort)
	return text, append(args, q.Limit), nil
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

type scanner interface{ Scan(into ...any) error }

// scanLink reads the columns of select-link, and those that follow them into more.
func scanLink(row scanner, more ...any) (shortener.Link, error) {
	var (
		l                                 shortener.Link
		id                                int64
		tags                              string
		starts, expires, created, updated int64
	)
	err := row.Scan(append([]any{
		&id, &l.Domain, &l.Code, &l.Target, &l.Title, &l.Note, &tags, &l.State, &l.RedirectStatus, &starts, &expires,
		&l.FallbackURL, &l.ForwardQuery, &l.Version, &created, &updated, &l.CreatedBy,
	}, more...)...)
	if err != nil {
		return shortener.Link{}, err
	}
	if tags != "[]" {
		if err := json.Unmarshal([]byte(tags), &l.Tags); err != nil {
			return shortener.Link{}, fmt.Errorf("tags of link %s: %w", l.Ref, err)
		}
	}
	l.ID = strconv.FormatInt(id, 10)
	l.StartsAt, l.ExpiresAt = fromMillis(starts), fromMillis(expires)
	l.CreatedAt, l.UpdatedAt = fromMillis(created), fromMillis(updated)
	return l, nil
}
