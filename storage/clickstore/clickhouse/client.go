package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// client asks one server over HTTP, which every version of it speaks alike. It is safe for concurrent
// use once its settings are set.
type client struct {
	http     *http.Client
	to       address
	timeout  time.Duration
	settings url.Values // sent with each request
}

func newClient(to address, connections int, timeout time.Duration) *client {
	return &client{
		to: to, timeout: timeout,
		http: &http.Client{Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxConnsPerHost:     connections,
			MaxIdleConnsPerHost: connections,
			// A server may close a connection that was idle for three seconds: the one to close is we, lest a
			// request is on its way into a closed one.
			IdleConnTimeout:    2 * time.Second,
			DisableCompression: true,
		}},
	}
}

// query returns the answer of a SELECT.
func (c *client) query(ctx context.Context, text string) (*rows, error) {
	answer, err := c.do(ctx, url.Values{}, []byte(text+" FORMAT RowBinary"), true)
	return &rows{b: answer}, err
}

// execute runs a statement that answers nothing.
func (c *client) execute(ctx context.Context, text string) error {
	_, err := c.do(ctx, url.Values{}, []byte(text), false)
	return err
}

// insert sends data with an INSERT. After an error the data may be in the table, now or later.
func (c *client) insert(ctx context.Context, statement string, data []byte) error {
	_, err := c.do(ctx, url.Values{"query": {statement}}, data, false)
	return err
}

// do sends a request and returns the whole answer. One that changes nothing is repeated if its
// connection turns out to be closed.
func (c *client) do(ctx context.Context, params url.Values, body []byte, repeatable bool) ([]byte, error) {
	inner, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	params.Set("database", c.to.database)
	// The server answers when it is done, so that a failure half-way is one in the status too.
	params.Set("wait_end_of_query", "1")
	for name, values := range c.settings {
		params[name] = values
	}
	req, err := http.NewRequestWithContext(inner, http.MethodPost, c.to.endpoint+"?"+params.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.SetBasicAuth(c.to.user, c.to.password)
	if repeatable {
		req.Header["Idempotency-Key"] = nil
	}
	status, answer, err := c.send(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, c.unreachable(err)
	case status != http.StatusOK:
		return nil, c.refused(status, answer)
	}
	return answer, nil
}

func (c *client) send(req *http.Request) (status int, answer []byte, err error) {
	resp, err := c.http.Do(req)
	if err != nil {
		var with *url.Error // has the statement in it
		if errors.As(err, &with) {
			err = with.Err
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// close closes the connections that are idle.
func (c *client) close() { c.http.CloseIdleConnections() }
