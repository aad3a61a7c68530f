package clickhouse

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"snowlink/shortener"
)

// Codes of the server's exceptions, by what can be done about them.
const (
	unknownTable     = 60
	syntaxError      = 62
	unknownDatabase  = 81
	timeoutExceeded  = 159
	readOnly         = 164
	tooDeep, tooBig  = 167, 168
	memoryExceeded   = 241
	accessDenied     = 497
	maxBusy, maxHurt = 2 * time.Second, 5 * time.Second
)

var (
	loginCodes = map[int]bool{192: true, 193: true, 194: true, 195: true, 516: true}
	// Too many queries, broken connections, read-only for want of a keeper, no space, too many parts, a server
	// that stops: all of these pass.
	busyCodes = map[int]bool{
		202: true, 203: true, 209: true, 210: true, 236: true, 242: true, 243: true, 252: true, 319: true, 394: true, 999: true,
	}
)

// exception is what the server says when it does not do what it was asked.
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return fmt.Sprintf("clickhouse: %s", e.text) }

var exceptionCode = regexp.MustCompile(`^Code: (\d+)[.,]`)

func newException(status int, answer []byte) *exception {
	text, _, _ := strings.Cut(string(answer[:min(len(answer), 1000)]), "\n")
	e := &exception{text: strings.TrimSpace(text)}
	if m := exceptionCode.FindStringSubmatch(e.text); m != nil {
		e.code, _ = strconv.Atoi(m[1])
	} else {
		e.text = fmt.Sprintf("status %d: %s", status, strings.Join(strings.Fields(string(answer[:min(len(answer), 300)])), " "))
	}
	return e
}

// unreachable is the error of a request that was not answered.
func (c *client) unreachable(err error) error {
	return unavailable(maxHurt, err, "The click store does not answer at %s.", c.to.endpoint)
}

// refused is the error of a request that was answered with another status than 200. RetryAfter is
// there when waiting helps; else the message says what to do.
func (c *client) refused(status int, answer []byte) error {
	e := newException(status, answer)
	switch {
	case loginCodes[e.code]:
		return unavailable(0, e, "The click store at %s refuses the user %q: look at the name and the password in its address.", c.to.endpoint, c.to.user)
	case e.code == unknownDatabase:
		return unavailable(0, e, "The click store at %s has no database %q: make one with CREATE DATABASE, or name another in the address.",
			c.to.endpoint, c.to.database)
	case e.code == readOnly || e.code == accessDenied:
		return unavailable(0, e, "The user %q may not do this in the click store at %s: give it the right, or another user to this process.",
			c.to.user, c.to.endpoint)
	case e.code == unknownTable:
		return unavailable(0, e, "The database %q at %s is not that of a click store any more: a table of it is gone.", c.to.database, c.to.endpoint)
	case e.code == memoryExceeded || e.code == timeoutExceeded:
		return unavailable(maxHurt, e, "The click store could not answer within its bounds of memory and time: ask about a shorter time or with fewer values.")
	case e.code == tooBig || e.code == tooDeep || e.code == syntaxError && strings.Contains(e.text, "query size"):
		problem := shortener.Errorf(shortener.Invalid, "The question is too long: ask with fewer filters.")
		return problem.Wrap(e)
	case busyCodes[e.code]:
		return unavailable(maxBusy, e, "The click store is busy.")
	case e.code == 0 && status >= http.StatusInternalServerError:
		return c.unreachable(e)
	case e.code == 0:
		return unavailable(0, e, "What answers at %s is not the HTTP interface of a ClickHouse server: the port is usually 8123.", c.to.endpoint)
	}
	return e
}

func unavailable(retryAfter time.Duration, cause error, format string, args ...any) error {
	problem := shortener.Errorf(shortener.Unavailable, format, args...).Wrap(cause)
	problem.RetryAfter = retryAfter
	return problem
}
