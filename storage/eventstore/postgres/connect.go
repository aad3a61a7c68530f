package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// parse reads the address of a store. What is wrong with one is not quoted: a password with a character
// that should have been escaped may stand in any part of it.
func parse(url string, o Options) (*pgxpool.Config, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("the address of the event store must begin with postgres://")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the address of the event store cannot be understood: it must be like " +
			"postgres://user:password@host:5432/database?sslmode=verify-full, in the user and the password each of : / ? # [ ] @ % " +
			"must be percent-encoded, and each parameter must be one that PostgreSQL knows")
	}
	conn := config.ConnConfig
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = o.ConnectTimeout
	}
	// A connection that a cloud forgot is found out before anybody waits for it.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn.DialFunc = dialer.DialContext
	if conn.ValidateConnect == nil {
		// A replica may be behind: what it does not know it would deny.
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "snowlink"
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return beginSession(ctx, c, o) }
	config.PingTimeout = o.Timeout
	config.MaxConnLifetimeJitter = config.MaxConnLifetime / 10
	return config, nil
}

// beginSession makes the settings of a new connection.
func beginSession(ctx context.Context, c *pgx.Conn, o Options) error {
	milliseconds := strconv.FormatInt(o.Timeout.Milliseconds(), 10)
	_, err := c.Exec(ctx, sql.Get("session"), milliseconds, milliseconds)
	return err
}

// line is a connection of one goroutine's own, made when it is needed and again after it was lost.
type line struct {
	config  *pgx.ConnConfig
	options Options
	conn    *pgx.Conn
}

// open returns the connection.
func (l *line) open(ctx context.Context) (*pgx.Conn, error) {
	if l.conn != nil && !l.conn.IsClosed() {
		return l.conn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	if err := beginSession(ctx, conn, l.options); err != nil {
		hangUp(conn)
		return nil, err
	}
	l.conn = conn
	return conn, nil
}

// hangUp gives the connection up, whatever it is doing.
func (l *line) hangUp() {
	if l.conn != nil {
		hangUp(l.conn)
		l.conn = nil
	}
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it may be lost
}

// explainConnect says what to do about a database that could not be opened.
func explainConnect(config *pgconn.Config, err error) error {
	at := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	var advice string
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		advice = adviceFor(refused, config)
	case errors.Is(err, pgconn.ErrStandbyConnection), errors.Is(err, pgconn.ErrReadOnlyConnection):
		advice = "it is a replica: give the address of the primary, or of all hosts as postgres://user@host1,host2/database"
	case errors.Is(err, context.DeadlineExceeded):
		advice = "it does not answer in time: look at the host, the port and the network"
	default:
		advice = "see that it runs, that host, port and sslmode are right, and that it listens there"
	}
	return fmt.Errorf("the event store, database %q of %s, cannot be opened: %s (%w)", config.Database, at, advice, err)
}

// adviceFor says what to do about what the server said.
func adviceFor(e *pgconn.PgError, config *pgconn.Config) string {
	switch e.Code {
	case "28P01":
		return fmt.Sprintf("the password of %q is wrong", config.User)
	case "28000":
		return fmt.Sprintf("%q may not come in from here: see pg_hba.conf, and sslmode", config.User)
	case "3D000":
		return fmt.Sprintf("there is no such database: createdb -O %s %s", config.User, config.Database)
	case "42501":
		return fmt.Sprintf("%q may not do that: make it the owner of the database, or grant it CREATE and USAGE on the schema", config.User)
	case "53300", "53400":
		return "it has no connection left: raise max_connections there, or lower the number that each process may have"
	case "57P03":
		return "it is starting or stopping: try again"
	case "25006":
		return "it is read-only: see default_transaction_read_only"
	}
	return "it refuses"
}
