package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"snowlink/shortener"
)

// Problem is an error as callers get it, by RFC 9457.
type Problem struct {
	Type      string  `json:"type" format:"uri-reference" example:"/api/problems/code-taken" doc:"Names the kind of problem, the same for ever; its last segment is the slug. Explained at that address."`
	Title     string  `json:"title" doc:"The kind of problem in a few words."`
	Status    int     `json:"status" doc:"The HTTP status."`
	Detail    string  `json:"detail" doc:"What is wrong this time, and what to do."`
	Instance  string  `json:"instance,omitempty" format:"uri-reference" doc:"The path that was asked for."`
	RequestID string  `json:"request_id,omitempty" doc:"Names the request in the logs of the service."`
	Errors    []Fault `json:"errors,omitempty" doc:"Each value that breaks a rule."`

	retryAfter time.Duration
}

// Fault is one value that breaks a rule.
type Fault struct {
	Location string `json:"location" example:"body.url" doc:"Where the value is: body, query, path or header, and the way to it."`
	Message  string `json:"message" doc:"What is wrong with it."`
	Code     string `json:"code" example:"invalid-url" doc:"The slug of the rule."`
}

// Error and the next two methods are what huma asks of an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of problems, whatever was negotiated.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// statusOf is the one table from kinds of errors to HTTP.
var statusOf = map[shortener.Kind]int{
	shortener.Internal:     http.StatusInternalServerError,
	shortener.Invalid:      http.StatusUnprocessableEntity,
	shortener.NotFound:     http.StatusNotFound,
	shortener.Gone:         http.StatusGone,
	shortener.Taken:        http.StatusConflict,
	shortener.Conflict:     http.StatusPreconditionFailed,
	shortener.Unauthorized: http.StatusUnauthorized,
	shortener.Forbidden:    http.StatusForbidden,
	shortener.Limited:      http.StatusTooManyRequests,
	shortener.Unavailable:  http.StatusServiceUnavailable,
}

// slugOf names the problems that are HTTP's own, before anything of ours was asked.
var slugOf = map[int]string{
	http.StatusBadRequest:            "malformed-json",
	http.StatusMethodNotAllowed:      "method-not-allowed",
	http.StatusRequestTimeout:        "timeout",
	http.StatusRequestEntityTooLarge: "too-large",
	http.StatusUnsupportedMediaType:  "unsupported-media-type",
	http.StatusUnprocessableEntity:   "invalid-value",
}

// retryDefault is when to come back to a service one of whose parts is down.
const retryDefault = 5 * time.Second

// inside says where the fields of an error's problems are to be found.
type inside struct {
	where string // "query", "path", "body.links[3]"
	err   error
}

func (e *inside) Error() string { return e.err.Error() }
func (e *inside) Unwrap() error { return e.err }

// in returns err with the place of its fields; without one they are in the body.
func in(where string, err error) error {
	if err == nil {
		return nil
	}
	return &inside{where, err}
}

// problemOf returns err as callers get it. What nobody classified shows nothing of itself.
func problemOf(err error) *Problem {
	found, ok := errors.AsType[*shortener.Problem](err)
	switch {
	case ok && found.Kind != shortener.Internal:
	case errors.Is(err, context.DeadlineExceeded):
		found = shortener.Errorf(shortener.Unavailable, "This took too long, and was given up.")
	case errors.Is(err, context.Canceled):
		found = shortener.Errorf(shortener.Unavailable, "The request was given up.")
	default:
		found = shortener.Errorf(shortener.Internal, "Something went wrong here. It is not your fault; the request id finds it in the logs.")
	}
	p := newProblem(statusOf[found.Kind], found.Slug, found.Message)
	if p.retryAfter = found.RetryAfter; found.Kind == shortener.Unavailable && p.retryAfter == 0 {
		p.retryAfter = retryDefault
	}
	if found.Kind != shortener.Invalid {
		return p
	}
	all, ok := errors.AsType[shortener.Problems](err)
	if !ok {
		all = shortener.Problems{found}
	}
	for _, each := range all {
		if each.Field != "" {
			p.Errors = append(p.Errors, Fault{Location: location(err, each.Field), Message: each.Message, Code: each.Slug})
		}
	}
	if len(all) > 1 {
		p.Detail = fmt.Sprintf("%d values break a rule. The first: %s", len(all), found.Message)
	}
	return p
}

func location(err error, field string) string {
	where := "body"
	if field == "Idempotency-Key" {
		where = "header"
	} else if e, ok := errors.AsType[*inside](err); ok {
		where = e.where
	}
	return where + "." + field
}

func newProblem(status int, slug, detail string) *Problem {
	return &Problem{Type: problemsPath + slug, Title: titleOf(slug), Status: status, Detail: detail}
}

// refusal is the problem of an error that huma or gin found: with 500 it is what a handler returned,
// otherwise what it says of the request.
func refusal(status int, msg string, errs []error) *Problem {
	if status == http.StatusInternalServerError {
		if _, reading := errors.AsType[*huma.ErrorDetail](errors.Join(errs...)); !reading && msg != "cannot read request body" {
			return problemOf(errors.Join(errs...))
		}
		status, msg = http.StatusBadRequest, "The body of the request did not arrive whole."
	}
	slug := slugOf[status]
	if slug == "" {
		slug = "refused"
	}
	p := newProblem(status, slug, details[status])
	if p.Detail == "" {
		p.Detail = msg
	}
	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			p.Errors = append(p.Errors, Fault{Location: d.Location, Message: d.Message, Code: slug})
		}
	}
	if status == http.StatusUnprocessableEntity && len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Detail = fmt.Sprintf("%s: %s.", first.Location, first.Message)
		if n := len(p.Errors); n > 1 {
			p.Detail = fmt.Sprintf("%d values break a rule. The first is %s", n, p.Detail)
		}
	}
	return p
}

var details = map[int]string{
	http.StatusBadRequest:            "The body of the request is not JSON.",
	http.StatusMethodNotAllowed:      "This address does not take that method: see the Allow header.",
	http.StatusRequestTimeout:        "The body of the request did not arrive in time.",
	http.StatusRequestEntityTooLarge: "The body of the request is larger than is accepted here.",
	http.StatusUnsupportedMediaType:  "The body of the request must be application/json.",
}

// refuse completes a problem with what is known of the call, and sets the headers that belong to it.
func refuse(ctx huma.Context, p *Problem, errs []error) *Problem {
	if ctx == nil {
		return p
	}
	c := callOf(ctx.Context())
	if c.err == nil {
		c.err = errors.Join(errs...)
	}
	url := ctx.URL()
	p.complete(c, url.EscapedPath(), ctx.SetHeader)
	return p
}

func (p *Problem) complete(c *call, path string, setHeader func(name, value string)) {
	p.Instance, p.RequestID = path, c.id
	if p.retryAfter > 0 {
		setHeader("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="snowlink"`
		if c.presented {
			challenge += `, error="invalid_token"`
		}
		setHeader("WWW-Authenticate", challenge)
	}
}

// writeProblem answers err on a route that is not huma's.
func writeProblem(c *gin.Context, err error) {
	callOf(c.Request.Context()).err = err
	writeRefusal(c, problemOf(err))
}

func writeRefusal(c *gin.Context, p *Problem) {
	p.complete(callOf(c.Request.Context()), c.Request.URL.EscapedPath(), c.Header)
	body, err := json.Marshal(p)
	if err != nil { // it has nothing but strings and numbers
		panic(err)
	}
	c.Abort()
	c.Data(p.Status, p.ContentType(""), body)
}
