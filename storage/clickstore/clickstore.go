// Package clickstore keeps clicks in DuckDB, embedded: one file that one process has open.
//
// Under failure it promises that a batch is counted once or not yet. Ingest writes the clicks and the
// numbers of their batches in one transaction; whatever the moment at which the process dies, the
// file opened again has all of a transaction or nothing of it, and a batch that comes again is
// recognised by its producer and number. What Ingest reported survives a kill of the process and, as
// each commit is synced, a loss of power.
//
// Readers see the last commit and wait for nobody: they neither block the writer nor are blocked.
package clickstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"snowlink/shortener"
)

//go:embed sql
var queries embed.FS

// query returns the text of a file under sql.
func query(name string) string {
	text, err := queries.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// formatVersion is what schema.sql writes into format.
const formatVersion = 1

// storageVersion decides which compression the file uses; files of it open in this and later DuckDBs.
const storageVersion = "v1.5.0"

// Options bound what the store may use. Zero values mean the defaults stated.
type Options struct {
	MemoryLimit string // of DuckDB, as it spells sizes: "512MB". What needs more spills to disk
	Threads     int    // 2
	Readers     int    // queries that run at the same time: 8
}

// Store is a click store in one file. It is safe for concurrent use; a file may be opened by one
// Store at a time.
type Store struct {
	db   *sql.DB
	path string

	writer sync.Mutex // one transaction writes at a time
	agents agentCache // guarded by writer
}

// Open opens the store at path and makes it if it is not there. The error is Unavailable if another
// process has the file open. Temporary files go into a folder beside it.
func Open(path string, opts Options) (*Store, error) {
	if opts.MemoryLimit == "" {
		opts.MemoryLimit = "512MB"
	}
	if opts.Threads == 0 {
		opts.Threads = 2
	}
	if opts.Readers == 0 {
		opts.Readers = 8
	}
	if strings.ContainsAny(path, "?%") {
		return nil, shortener.Errorf(shortener.Invalid, "The path of the click store may have neither ? nor %% in it: %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open click store: %w", err)
	}
	connector, err := duckdb.NewConnector(path+"?"+settings(path, opts).Encode(), nil)
	if err != nil {
		return nil, openError(path, err)
	}
	s := &Store{db: sql.OpenDB(connector), path: path}
	s.db.SetMaxOpenConns(opts.Readers + 1)
	s.db.SetMaxIdleConns(opts.Readers + 1)
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// settings of DuckDB. Extensions come with the program or not at all.
func settings(path string, opts Options) url.Values {
	return url.Values{
		"memory_limit":                  {opts.MemoryLimit},
		"threads":                       {strconv.Itoa(opts.Threads)},
		"temp_directory":                {path + ".tmp"},
		"storage_compatibility_version": {storageVersion},
		"autoinstall_known_extensions":  {"false"},
		"autoload_known_extensions":     {"false"},
		"allow_community_extensions":    {"false"},
	}
}

func (s *Store) prepare() error {
	if _, err := s.db.Exec(query("schema")); err != nil {
		return fmt.Errorf("prepare click store: %w", err)
	}
	var version int
	if err := s.db.QueryRow(`SELECT version FROM format`).Scan(&version); err != nil {
		return fmt.Errorf("read format of click store: %w", err)
	}
	if version != formatVersion {
		return shortener.Errorf(shortener.Unavailable,
			"The click store %s has format %d; this version of snowlink reads %d.", s.path, version, formatVersion)
	}
	return nil
}

// Close writes everything into the file and closes it. Calls that are running must have returned.
func (s *Store) Close() error {
	_, err := s.db.Exec(`CHECKPOINT`)
	if err != nil {
		err = fmt.Errorf("checkpoint click store: %w", err)
	}
	return errors.Join(err, s.db.Close())
}

// Ping reports whether the store answers, for health checks.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.db.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

var lockHolder = regexp.MustCompile(`PID (\d+)`)

func openError(path string, err error) error {
	if !strings.Contains(err.Error(), "Could not set lock") {
		return fmt.Errorf("open click store %s: %w", path, err)
	}
	by := "another process"
	if m := lockHolder.FindStringSubmatch(err.Error()); m != nil {
		by += " (pid " + m[1] + ")"
	}
	return shortener.Errorf(shortener.Unavailable,
		"The click store %s is held by %s: stop that one first, or give this one another data folder.", path, by).Wrap(err)
}
