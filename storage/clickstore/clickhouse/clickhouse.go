// Package clickhouse keeps clicks in a ClickHouse server, which many processes may write to and read
// from at the same time. It speaks HTTP to it, in statements that 18.16 and the versions of today
// have in common.
//
// Under failure it promises what the embedded store does: a batch counts once or not yet, at any
// time and for every reader, whatever is killed between any two steps, whoever else stores the same
// batch at that moment, and even if an insert of which nothing was heard arrives an hour late. The
// server has no transactions and old ones have no deduplication, nor would a deduplication that
// forgets after a while do. What it has is this: an insert of one block into one partition is there
// as a whole or not at all, and whoever asks after it was confirmed sees it. From that:
//
//   - Each attempt at a batch has a number of its own, which its clicks carry, and claims the batch
//     before anything else. Having claimed it, it looks who else has. If nobody has, it inserts the
//     clicks, and says that the batch is stored. Of two attempts, one at least sees the other.
//   - An attempt that sees another, of which it is not known whether its clicks have come or will
//     come, looks for those clicks. If they are there the batch is stored. If not it enters itself
//     into the contests before it inserts its clicks: these do not count. When they are there, one
//     insert makes them count and all other attempts at the batch not, wherever those are. If two do
//     this, the lesser number wins.
//   - Readers leave out the attempts that the contests hide. As an attempt is entered there before
//     its clicks can be found, a reader who sees the same number of entries before and after its
//     question has counted right; if not it asks again.
//
// This costs four requests a call of Ingest, one more small one a question, and some rows and hidden
// clicks for each failure. Questions read one more column when anything is hidden.
//
// What was stored survives a kill of the server. Whether it survives a loss of power is the server's
// affair: by default the last seconds of an insert live in memory of its operating system.
//
// It has to be one server. Of several replicas one may not know of a claim that another has taken,
// and the promise would be lost.
package clickhouse

import (
	"context"
	"embed"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"snowlink/shortener"
)

//go:embed sql
var queries embed.FS

// comments are lines of their own.
var comments = regexp.MustCompile(`(?m)^\s*--.*\n`)

// query returns the text of a file under sql, without what is said about it.
func query(name string) string {
	text, err := queries.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return comments.ReplaceAllString(string(text), "")
}

// Options bound what a Store uses of its server. Zero values mean the defaults stated. A user that
// may not change settings has those of its profile instead of the first three.
type Options struct {
	MemoryBytes int64         // of a question: 1 GiB
	Time        time.Duration // of a question or an insert: 30 s
	Threads     int           // of a question: as many as the server likes
	Connections int           // at the same time: 8
}

// Store is a click store in a database of a server. It is safe for concurrent use, and as many
// processes as there are may have one on the same database.
type Store struct {
	client *client

	opening sync.Mutex // guards bringing the database up to date
	opened  atomic.Bool

	writer   sync.Mutex    // callers of this process do not contest one another's batches
	contests atomic.Uint64 // entries that the last question found
}

// Open returns the store in the database that address names:
// clickhouse://user:password@host:8123/database, where ?secure=true stands for TLS. The database has
// to be there; its tables are made if the user may.
//
// A server that does not answer is not an error of Open: the calls are Unavailable until it does. An
// address, a password or a database that cannot be right is.
func Open(ctx context.Context, raw string, opts Options) (*Store, error) {
	to, err := parseAddress(raw)
	if err != nil {
		return nil, err
	}
	if opts.MemoryBytes == 0 {
		opts.MemoryBytes = 1 << 30
	}
	if opts.Time == 0 {
		opts.Time = 30 * time.Second
	}
	if opts.Connections == 0 {
		opts.Connections = 8
	}
	// The server is to give up first: it says why.
	s := &Store{client: newClient(to, opts.Connections, opts.Time+5*time.Second)}
	s.client.settings = bounds(opts)
	if err := s.ready(ctx); err != nil && !passes(err) {
		s.client.close()
		return nil, err
	}
	return s, nil
}

// passes reports whether waiting helps against err.
func passes(err error) bool {
	problem, ok := errors.AsType[*shortener.Problem](err)
	return ok && problem.Kind == shortener.Unavailable && problem.RetryAfter > 0
}

// bounds are the settings that opts stand for, and those that statements of ours need.
func bounds(opts Options) url.Values {
	settings := url.Values{
		"max_memory_usage":                   {strconv.FormatInt(opts.MemoryBytes, 10)},
		"max_bytes_before_external_group_by": {strconv.FormatInt(opts.MemoryBytes/2, 10)},
		"max_execution_time":                 {strconv.Itoa(int(max(opts.Time, time.Second).Seconds()))},
		// Long lists of values are in the text of the question.
		"max_query_size":            {"67108864"},
		"max_ast_elements":          {"1000000"},
		"max_expanded_ast_elements": {"1000000"},
		// An insert is answered when it is done, whatever the server's default is.
		"async_insert": {"0"},
		// A question that nobody waits for any more is given up.
		"cancel_http_readonly_queries_on_client_close": {"1"},
		"allow_experimental_low_cardinality_type":      {"1"},
	}
	if opts.Threads > 0 {
		settings.Set("max_threads", strconv.Itoa(opts.Threads))
	}
	return settings
}

// Close gives up the connections. Calls that are running must have returned.
func (s *Store) Close() error {
	s.client.close()
	return nil
}

// Ping reports whether the store answers, for health checks.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := s.client.query(ctx, "SELECT 1")
	return err
}
