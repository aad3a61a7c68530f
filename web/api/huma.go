package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

const prefix = "/api/v1"

func humaConfig() huma.Config {
	config := huma.DefaultConfig("snowlink", "1")
	config.CreateHooks = nil // no $schema in answers
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true // a misspelt filter would answer another question
	config.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	config.Info.Description = description
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, which begins with " + shortener.APIKeyPrefix + "."},
	}
	config.Tags = []*huma.Tag{
		{Name: tagLinks, Description: "Make, find and change links."},
		{Name: tagAnalytics, Description: "Count clicks. A click is a redirect that was answered; clicks = humans + bots."},
		{Name: tagClicks, Description: "The clicks themselves."},
		{Name: tagKeys, Description: "API keys and their roles: a reader reads, an editor also changes links, an owner does everything."},
		{Name: tagAdmin, Description: "What concerns the whole installation."},
	}
	return config
}

const description = "Shorten URLs, and see who follows them. Times are RFC 3339 in UTC. Errors are application/problem+json " +
	"(RFC 9457) with a stable type. Unknown members and query parameters are refused, so that a misspelt one is noticed."

// The groups of operations.
const (
	tagLinks     = "Links"
	tagAnalytics = "Analytics"
	tagClicks    = "Clicks"
	tagKeys      = "Keys"
	tagAdmin     = "Administration"
)

// jsonFormat reads nothing but valid UTF-8: what stands for a broken byte is not what was meant.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errors.New("the body is not valid UTF-8")
		}
		return json.Unmarshal(data, v)
	},
}

// operation describes a call under /api/v1 that needs a key of the role.
func operation(method, path, id, tag string, role shortener.Role, summary string) huma.Operation {
	return huma.Operation{
		Method: method, Path: prefix + path, OperationID: id, Tags: []string{tag}, Summary: summary,
		Security: []map[string][]string{{"key": {}}},
		Metadata: map[string]any{needsRole: role},
		Errors:   []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}
}

// takesBody bounds the body of an operation: its size, and how long it may take to arrive.
func takesBody(op *huma.Operation, size int64, patience time.Duration) {
	op.MaxBodyBytes = size + 1 // huma's bound is exclusive
	op.BodyReadTimeout = patience
}

// How long bodies may take to arrive.
const (
	bodyPatience  = 15 * time.Second
	batchPatience = 60 * time.Second
)

// optional is a member that may be left out, or null, which takes its value away.
type optional[T any] struct {
	Set   bool
	Null  bool
	Value T
}

// UnmarshalJSON reads the value, or null.
func (o *optional[T]) UnmarshalJSON(raw []byte) error {
	o.Set, o.Null = true, string(raw) == "null"
	if o.Null {
		return nil
	}
	return json.Unmarshal(raw, &o.Value)
}

// MarshalJSON writes the value, or null.
func (o optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Set || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// Schema is that of T, or null.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}

// patch returns the value as a change: null is the zero value.
func (o optional[T]) patch() shortener.Optional[T] {
	return shortener.Optional[T]{Set: o.Set, Value: o.Value}
}

// pointer returns the value if it was given: null is the zero value.
func (o optional[T]) pointer() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}
