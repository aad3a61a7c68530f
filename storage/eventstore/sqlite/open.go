package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// schemaVersion is the schema that this program writes, kept in the file as its user_version.
const schemaVersion = 3

// applicationID marks a SQLite file as one of ours: "snwl".
const applicationID = 0x736e776c

// The settings of each kind of connection. cell_size_check finds damaged pages when they are read,
// rather than acting upon them. secure_delete overwrites what is deleted: the salts of past days must
// not be found in the file. A bigger log between checkpoints saves syncs of the main file.
const (
	writerPragmas = `PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
		PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA cache_size = -65536;
		PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;`
	readerPragmas = `PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cell_size_check = ON;
		PRAGMA cache_size = -16384;`
)

// connector opens connections that have had their settings made.
type connector struct {
	driver sqlite3.SQLiteDriver
	dsn    string
}

func (c *connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c *connector) Driver() driver.Driver                        { return &c.driver }

func openDB(path, pragmas string, conns int) *sql.DB {
	c := &connector{dsn: "file:" + (&url.URL{Path: path}).EscapedPath()}
	c.driver.ConnectHook = func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec(pragmas, nil)
		return err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// migrate makes an empty file ours, brings one of an older schema up to date, and refuses what this
// program cannot read.
func migrate(path string, db *sql.DB) error {
	var version, id, tables int
	err := errors.Join(
		db.QueryRow(`PRAGMA user_version`).Scan(&version),
		db.QueryRow(`PRAGMA application_id`).Scan(&id),
		db.QueryRow(`SELECT count(*) FROM sqlite_master`).Scan(&tables),
	)
	switch {
	case err != nil:
		return fmt.Errorf("read the event store %s: %w", path, err)
	case tables == 0:
		return upgrade(db, 0)
	case id != applicationID:
		return fmt.Errorf("%s is a database of another program: name another place for the event store", path)
	case version > schemaVersion:
		return fmt.Errorf("the event store %s has schema %d and this program knows up to %d: run the newer version that wrote it",
			path, version, schemaVersion)
	}
	return upgrade(db, version)
}

// upgrade takes the schema from a version to ours, all of it or nothing.
func upgrade(db *sql.DB, version int) error {
	if version == schemaVersion {
		return nil
	}
	_, err := db.Exec(fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
		strings.Join(schemas[version:], "\n"), applicationID, schemaVersion))
	if err != nil {
		return fmt.Errorf("bring the event store from schema %d to %d: %w", version, schemaVersion, err)
	}
	return nil
}
