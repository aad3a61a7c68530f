package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// wanted is what a transaction of appends has to know.
type wanted struct {
	refs    map[shortener.Ref]bool
	domains []string // of refs
	codes   []string // of refs
	ids     []int64  // of links that are to be made
	events  []string // ids
	owners  []string // of idempotency keys
	keys    [][]byte
	now     int64 // in milliseconds
}

func (q *wanted) link(ref shortener.Ref) {
	if !q.refs[ref] {
		q.refs[ref] = true
		q.domains, q.codes = append(q.domains, ref.Domain), append(q.codes, ref.Code)
	}
}

// wantedBy returns what is to be known for a group of commits.
func wantedBy(group []*pending, now int64) *wanted {
	q := &wanted{refs: make(map[shortener.Ref]bool), now: now}
	for _, one := range group {
		c := one.What.commit
		q.link(c.Ref)
		for _, e := range c.Events {
			q.events = append(q.events, e.ID)
		}
		if c.Once != nil {
			q.owners, q.keys = append(q.owners, c.Once.Owner), append(q.keys, []byte(c.Once.Key))
		}
		if id, err := eventstore.LinkID(c.After); err == nil && c.Expected == 0 {
			q.ids = append(q.ids, id)
		}
	}
	return q
}

// learn begins a transaction, locks the head and reads what is wanted, in one round trip.
func learn(ctx context.Context, conn *pgx.Conn, q *wanted) (*plan, error) {
	p := newPlan()
	p.history = func(ref shortener.Ref, version int64) ([]shortener.Event, error) {
		rows, err := conn.Query(ctx, sql.Get("events-of-link"), ref.Domain, ref.Code, version)
		return collectEvents(rows, err)
	}
	batch := &pgx.Batch{}
	batch.Queue(sql.Get("begin"))
	batch.Queue(sql.Get("lock-head")).QueryRow(func(row pgx.Row) error { return row.Scan(&p.head) })
	batch.Queue(sql.Get("known-links"), q.domains, q.codes).Query(p.scanLinks)
	if len(q.ids) > 0 {
		batch.Queue(sql.Get("known-ids"), q.ids).Query(p.scanIDs)
	}
	if len(q.events) > 0 {
		batch.Queue(sql.Get("known-events"), q.events).Query(p.scanEvents)
	}
	if len(q.owners) > 0 {
		batch.Queue(sql.Get("known-once"), q.owners, q.keys, q.now).Query(p.scanOnce)
	}
	return p, conn.SendBatch(ctx, batch).Close()
}

func (p *plan) scanLinks(rows pgx.Rows) error {
	for rows.Next() {
		l, err := scanLink(rows)
		if err != nil {
			return err
		}
		p.links[l.Ref] = l
	}
	return rows.Err()
}

func (p *plan) scanIDs(rows pgx.Rows) error {
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		p.ids[id] = true
	}
	return rows.Err()
}

func (p *plan) scanEvents(rows pgx.Rows) error {
	for rows.Next() {
		var id string
		var at eventstore.Place
		if err := rows.Scan(&id, &at.Ref.Domain, &at.Ref.Code, &at.Version, &at.Position); err != nil {
			return err
		}
		p.events[id] = at
	}
	return rows.Err()
}

func (p *plan) scanOnce(rows pgx.Rows) error {
	for rows.Next() {
		var owner string
		var key []byte
		var made eventstore.Made
		if err := rows.Scan(&owner, &key, &made.Fingerprint, &made.Ref.Domain, &made.Ref.Code, &made.Version); err != nil {
			return err
		}
		p.once[onceKey{owner, string(key)}] = made
	}
	return rows.Err()
}
