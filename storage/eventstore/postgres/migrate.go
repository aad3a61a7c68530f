package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"snowlink/storage/eventstore"
)

// migrationLock is the number of the advisory lock that those hold who migrate: "snwl".
const migrationLock = 0x736e776c

// schema is what is known of the tables once they are ours and up to date.
type schema struct {
	oid  int64 // of the schema, the same to all processes
	head int64
}

// prepareSchema connects, makes or updates the tables, and says what it found.
func prepareSchema(ctx context.Context, config *pgxpool.Config, o Options) (schema, error) {
	l := line{config: config.ConnConfig, options: o}
	conn, err := l.open(ctx)
	if err != nil {
		explained := explainConnect(&config.ConnConfig.Config, err)
		if mayPass(err) {
			return schema{}, eventstore.Unavailable(explained)
		}
		return schema{}, explained
	}
	defer l.hangUp()
	var found schema
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) (err error) {
		found, err = migrate(ctx, tx, o)
		return err
	})
	if code(err) == "42501" || code(err) == "25006" {
		return schema{}, explainConnect(&config.ConnConfig.Config, err)
	}
	return found, classify("open the event store", err)
}

// migrate makes an empty schema ours, brings one of an older version up to date, and refuses what this
// program cannot use.
func migrate(ctx context.Context, tx pgx.Tx, o Options) (found schema, err error) {
	if _, err := tx.Exec(ctx, sql.Get("wait-for-others")); err != nil {
		return found, err
	}
	if _, err := tx.Exec(ctx, sql.Get("lock"), migrationLock); err != nil {
		return found, fmt.Errorf("wait for others who bring the schema up to date: %w", err)
	}
	var (
		name, other, encoding string
		ours, synced          bool
	)
	if err := tx.QueryRow(ctx, sql.Get("schema")).Scan(&name, &found.oid, &ours, &other, &encoding, &synced); err != nil {
		return found, fmt.Errorf("look at the schema: %w", err)
	}
	switch {
	case name == "":
		return found, errors.New("the event store has no schema: none of search_path exists")
	case encoding != "UTF8":
		return found, fmt.Errorf("the event store needs a database in UTF8, and this one is in %s: createdb --template=template0 --encoding=UTF8", encoding)
	case !ours && other != "":
		return found, fmt.Errorf("the schema %s holds tables of something else, among them %q: name an empty database for the event store", name, other)
	}
	if !synced {
		o.Logger.Warn("the event store's database runs with fsync off: a power failure may lose links or all of it")
	}
	if err := upgrade(ctx, tx, name, ours); err != nil {
		return found, err
	}
	if err := refuseUnfinished(ctx, tx, o); err != nil {
		return found, err
	}
	return found, tx.QueryRow(ctx, sql.Get("head")).Scan(&found.head)
}

// upgrade takes the tables from their version to ours.
func upgrade(ctx context.Context, tx pgx.Tx, name string, ours bool) error {
	version := 0
	if ours {
		if err := tx.QueryRow(ctx, sql.Get("version")).Scan(&version); err != nil {
			return fmt.Errorf("read the version of the schema: %w", err)
		}
	}
	if version > len(migrations) {
		return fmt.Errorf("the event store in the schema %s has version %d and this program knows up to %d: run the newer version that wrote it",
			name, version, len(migrations))
	}
	if version == len(migrations) {
		return nil
	}
	for i, statements := range migrations[version:] {
		if _, err := tx.Conn().PgConn().Exec(ctx, statements).ReadAll(); err != nil {
			return fmt.Errorf("bring the event store from version %d to %d: %w", version+i, version+i+1, err)
		}
	}
	if !ours {
		if _, err := tx.Exec(ctx, sql.Get("create-version")); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, sql.Get(map[bool]string{true: "update-version", false: "insert-version"}[ours]), len(migrations))
	return err
}

// refuseUnfinished refuses to serve what is only a part of a log.
func refuseUnfinished(ctx context.Context, tx pgx.Tx, o Options) error {
	var mark []byte
	err := tx.QueryRow(ctx, sql.Get("select-meta"), eventstore.UnfinishedCopy).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && o.Unfinished {
		return nil
	}
	if err != nil {
		return err
	}
	return eventstore.ErrUnfinishedCopy
}
