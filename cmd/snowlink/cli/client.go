package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"snowlink/cmd/snowlink/credentials"
)

const defaultServer = "http://127.0.0.1:8080"

// client talks to a running service.
type client struct {
	server string
	key    string
	http   *http.Client
}

// problem is an error the service answered, RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`

	retryAfter time.Duration // 0 if the service says nothing of it
}

func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(p.Detail, p.Title, http.StatusText(p.Status)))
	for _, e := range p.Errors {
		if e.Message != p.Detail {
			fmt.Fprintf(&b, "\n  %s: %s", e.Location, e.Message)
		}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		b.WriteString("\n  give a key by --key or SNOWLINK_KEY; `snowlink key create` makes one")
	case http.StatusForbidden:
		b.WriteString("\n  use a key with a higher role")
	}
	return b.String()
}

func addClientFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("server", cmp.Or(os.Getenv("SNOWLINK_SERVER"), defaultServer), "the service to talk to (env SNOWLINK_SERVER)")
	flags.String("key", "", "API key (env SNOWLINK_KEY); found by itself on the machine of a first start")
	flags.Bool("json", false, "answer in JSON, for programs")
}

func newClient(cmd *cobra.Command) (*client, error) {
	server, _ := cmd.Flags().GetString("server")
	key, _ := cmd.Flags().GetString("key")
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Errorf("--server %q is not an address: use http://host:port", server)}
	}
	if key = cmp.Or(key, os.Getenv("SNOWLINK_KEY")); key == "" {
		if path := os.Getenv("SNOWLINK_KEY_FILE"); path != "" {
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("SNOWLINK_KEY_FILE: %w", err)
			}
			key = strings.TrimSpace(string(raw))
		}
	}
	if key == "" {
		if key, err = credentials.Find(server); err != nil {
			return nil, err
		}
	}
	return &client{server: strings.TrimRight(server, "/"), key: key, http: &http.Client{}}, nil
}

// call sends body as JSON if it is not nil, and decodes the answer into out if it is not nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	if !strings.HasPrefix(path, "/api/v1/admin/") { // a check of everything takes as long as it takes
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 60*time.Second)
		defer cancel()
	}
	resp, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s answered something that is not understood: %w", c.server, err)
	}
	return nil
}

// send returns the response if its status is 2xx; its body is the caller's to close.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		reader = bytes.NewReader(raw)
	}
	address := c.server + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, reader)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(resp)
}

func (c *client) unreachable(err error) error {
	if _, dial := errors.AsType[*net.OpError](err); dial {
		return fmt.Errorf("no service answers at %s: start one by `snowlink serve`, or name another by --server", c.server)
	}
	return fmt.Errorf("talk to %s: %w", c.server, err)
}

func readProblem(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := &problem{}
	if json.Unmarshal(raw, p) != nil || p.Title == "" && p.Detail == "" {
		return fmt.Errorf("the service answered %s", resp.Status)
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.retryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
