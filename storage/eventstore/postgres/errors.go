package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"snowlink/storage/eventstore"
)

// classify says what a caller can do about err, and adds what was being done.
func classify(doing string, err error) error { return eventstore.Classify(doing, err, away) }

// away reports whether err says that the database cannot be used at the moment, and not that something
// is wrong with the statement.
func away(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return awayCodes[e.Code] || awayCodes[e.Code[:2]]
	}
	return lost(err)
}

// awayCodes are SQLSTATEs and classes of them.
var awayCodes = map[string]bool{
	"08":    true, // the connection
	"25006": true, // read-only: a replica, or a primary that is full
	"28":    true, // it was let in before: passwords are being changed
	"40":    true, // deadlock, serialization: the transaction was undone
	"53":    true, // out of disk, memory, connections
	"55P03": true, // a lock took too long
	"57":    true, // cancelled by a timeout, shutting down, starting
	"58":    true, // its system fails
	"XX":    true, // it finds its files damaged
	"25P03": true, // this process was paused within a transaction
}

// lost reports whether err lies with the connection: that there is none, or that it broke.
func lost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fatal(e)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "conn closed")
}

// fatal reports whether the server ended the session with the error. What it was doing then may have
// been done.
func fatal(e *pgconn.PgError) bool {
	return e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC" || strings.HasPrefix(e.Code, "57P")
}

// mayPass reports whether trying to connect again may help. It does not where somebody has to do something
// about it first.
func mayPass(err error) bool {
	switch c := code(err); {
	case c == "":
		return lost(err)
	default:
		return strings.HasPrefix(c, "53") || strings.HasPrefix(c, "57") || strings.HasPrefix(c, "08")
	}
}

// code returns the SQLSTATE of err, "" if it is none of the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// uniqueViolation says that there is such a row already.
const uniqueViolation = "23505"

// SQLSTATEs that call for something else than an error.
const (
	deadlock      = "40P01"
	serialization = "40001"
)
