package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// inDoubt is the error of a transaction of which it is not known whether it was committed.
type inDoubt struct{ cause error }

func (e inDoubt) Error() string {
	return "whether the transaction was committed is not known: " + e.cause.Error()
}
func (e inDoubt) Unwrap() error { return e.cause }

// write writes what was planned and commits, in one round trip. Whoever listens on the channel is told.
func (p *plan) write(ctx context.Context, conn *pgx.Conn, channel string) error {
	batch := &pgx.Batch{}
	batch.Queue(sql.Get("insert-events"), eventColumns(p.appended)...)
	if links := p.linksOf(p.made); len(links) > 0 {
		batch.Queue(sql.Get("insert-links"), linkColumns(links)...)
	}
	if links := p.linksOf(p.edited); len(links) > 0 {
		batch.Queue(sql.Get("update-links"), linkColumns(links)...)
	}
	if len(p.used) > 0 {
		batch.Queue(sql.Get("put-once"), usedColumns(p.used)...)
	}
	batch.Queue(sql.Get("set-head"), p.head)
	batch.Queue(sql.Get("tell"), channel, strconv.FormatInt(p.head, 10))
	var tag pgconn.CommandTag
	batch.Queue(sql.Get("commit")).Exec(func(t pgconn.CommandTag) error { tag = t; return nil })
	err := conn.SendBatch(ctx, batch).Close()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !fatal(e) {
		return err // and undone
	}
	if err != nil {
		return inDoubt{err}
	}
	if tag.String() != "COMMIT" {
		return errors.New("the transaction was not committed, but answered by " + tag.String())
	}
	return nil
}

// eventColumns returns the arrays of insert-events.
func eventColumns(events []shortener.Event) []any {
	n := len(events)
	position, version, at := make([]int64, n), make([]int64, n), make([]int64, n)
	id, domain, code, kind, actor, data := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, e := range events {
		position[i], version[i], at[i] = e.Position, e.Version, e.At.UnixMilli()
		id[i], domain[i], code[i], kind[i], actor[i], data[i] = e.ID, e.Ref.Domain, e.Ref.Code, string(e.Type), e.Actor, string(e.Data)
	}
	return []any{position, id, domain, code, version, kind, at, actor, data}
}

// linkColumns returns the arrays of insert-links and update-links. The ids of links are numbers.
func linkColumns(links []shortener.Link) []any {
	n := len(links)
	texts := func() []string { return make([]string, n) }
	numbers := func() []int64 { return make([]int64, n) }
	id, starts, expires, version, created, updated := numbers(), numbers(), numbers(), numbers(), numbers(), numbers()
	domain, code, target, title, note, tags, fallback, by, words := texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts(), texts()
	state, status, forward := make([]int16, n), make([]int16, n), make([]bool, n)
	for i, l := range links {
		id[i], _ = eventstore.LinkID(l) // it was checked when the link was planned
		domain[i], code[i], target[i], title[i], note[i], tags[i] = l.Domain, l.Code, l.Target, l.Title, l.Note, arrayText(l.Tags)
		state[i], status[i], forward[i] = int16(l.State), int16(l.RedirectStatus), l.ForwardQuery
		starts[i], expires[i], fallback[i] = eventstore.Millis(l.StartsAt), eventstore.Millis(l.ExpiresAt), l.FallbackURL
		version[i], created[i], updated[i] = l.Version, eventstore.Millis(l.CreatedAt), eventstore.Millis(l.UpdatedAt)
		by[i], words[i] = l.CreatedBy, eventstore.Words(l)
	}
	return []any{id, domain, code, target, title, note, tags, state, status, starts, expires, fallback, forward, version, created, updated, by, words}
}

var arrayEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayText returns an array of texts in its text form.
func arrayText(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = `"` + arrayEscaper.Replace(text) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// usedColumns returns the arrays of put-once.
func usedColumns(all []eventstore.UsedKey) []any {
	n := len(all)
	owners, domains, codes := make([]string, n), make([]string, n), make([]string, n)
	keys, fingerprints := make([][]byte, n), make([][]byte, n)
	versions, expires := make([]int64, n), make([]int64, n)
	for i, u := range all {
		owners[i], domains[i], codes[i] = u.Owner, u.Made.Ref.Domain, u.Made.Ref.Code
		keys[i], fingerprints[i] = []byte(u.Key), u.Made.Fingerprint
		versions[i], expires[i] = u.Made.Version, u.Expires.UnixMilli()
	}
	return []any{owners, keys, fingerprints, domains, codes, versions, expires}
}
