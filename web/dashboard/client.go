package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"snowlink/web/api"
)

// client calls the REST interface, which is in the same process, with the key of a session.
type client struct {
	api     http.Handler
	key     string
	request *http.Request // of the visitor
	match   string        // ETag that what is changed must have; "": any
}

// withMatch returns a client that changes a link only if it is of that version.
func (c client) withMatch(version int64) client {
	c.match = fmt.Sprintf(`"v%d"`, version)
	return c
}

// get asks for path with the parameters, and decodes the answer into out. The error is an *api.Problem if
// the interface has refused.
func (c client) get(ctx context.Context, path string, params url.Values, out any) error {
	return c.call(ctx, http.MethodGet, path, params, nil, out)
}

// call sends body, if there is one, as JSON. out may be nil.
func (c client) call(ctx context.Context, method, path string, params url.Values, body, out any) error {
	resp, err := c.do(ctx, method, path, params, body)
	if err != nil {
		return err
	}
	if resp.status >= http.StatusBadRequest {
		problem := &api.Problem{Status: resp.status, Title: http.StatusText(resp.status)}
		if err := json.Unmarshal(resp.body.Bytes(), problem); err != nil {
			return fmt.Errorf("%s %s: status %d: %w", method, path, resp.status, err)
		}
		return problem
	}
	if out == nil || resp.body.Len() == 0 {
		return nil
	}
	if err := json.Unmarshal(resp.body.Bytes(), out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c client) do(ctx context.Context, method, path string, params url.Values, body any) (*answer, error) {
	content := io.Reader(http.NoBody)
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	r, err := c.newRequest(ctx, method, path, params, content)
	if err != nil {
		return nil, err
	}
	resp := &answer{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(resp, r)
	return resp, nil
}

// newRequest makes a call on behalf of the visitor.
func (c client) newRequest(ctx context.Context, method, path string, params url.Values, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = params.Encode()
	r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), c.request.RemoteAddr, c.request.Host
	r.Header.Set("Authorization", "Bearer "+c.key)
	for _, name := range []string{api.ClientHeader, "X-Request-Id", "Traceparent", "Last-Event-Id"} {
		if value := c.request.Header.Get(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	if c.match != "" {
		r.Header.Set("If-Match", c.match)
	}
	if body != http.NoBody {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// answer is a response in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header, WriteHeader and Write are those of an http.ResponseWriter.
func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
