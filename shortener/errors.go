package shortener

import (
	"errors"
	"fmt"
	"time"
)

// Kind classifies an error by what the caller can do about it. Adapters map kinds to their own
// terms (HTTP status, exit code) in one table each.
type Kind uint8

// The kinds of errors. Internal is the zero value: an error nobody classified is our fault.
const (
	Internal     Kind = iota // a fault of ours
	Invalid                  // a value that breaks a rule; Problem.Field tells which
	NotFound                 // there was never such a thing
	Gone                     // there was one: it was deleted or has expired
	Taken                    // the code belongs to another link
	Conflict                 // the version expected is not the version found
	Unauthorized             // no key, or one that is not valid
	Forbidden                // a valid key without the right
	Limited                  // too many calls; Problem.RetryAfter tells when to come back
	Unavailable              // a dependency is down; nothing was done
)

// Problem is an error the caller can act upon.
type Problem struct {
	Kind       Kind
	Slug       string // stable, machine-readable: "code-taken"
	Message    string // one sentence that says what is wrong and what to do
	Field      string // for Invalid: the path of the value, "url" or "rules[2].country"
	RetryAfter time.Duration
	cause      error
}

func (p *Problem) Error() string { return p.Message }

// Unwrap returns the cause given to Wrap, if any.
func (p *Problem) Unwrap() error { return p.cause }

// Errorf returns a Problem of the kind with a message for people.
func Errorf(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Slug: kind.String(), Message: fmt.Sprintf(format, args...)}
}

// InvalidField returns an Invalid problem about one field.
func InvalidField(field, slug, format string, args ...any) *Problem {
	return &Problem{Kind: Invalid, Slug: slug, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap keeps cause as the reason of the problem, for logs.
func (p *Problem) Wrap(cause error) *Problem {
	p.cause = cause
	return p
}

// KindOf returns the kind of err: Internal for an error nobody classified.
func KindOf(err error) Kind {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Kind
	}
	return Internal
}

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid-value", NotFound: "not-found", Gone: "gone", Taken: "code-taken",
	Conflict: "version-conflict", Unauthorized: "unauthorized", Forbidden: "forbidden", Limited: "limited",
	Unavailable: "unavailable",
}

// String returns the kind's slug.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}
