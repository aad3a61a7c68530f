package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/shortener"
)

// maxInternal bounds what an internal call may return.
const maxInternal = 1 << 20

// Client makes the edge's own calls to a service, by the same registry, balancer and breakers as the
// requests of clients.
type Client struct {
	pool    *pool
	peer    *peer
	timeout time.Duration
}

// Client returns a client of the service, which must be one of Config.Services.
func (g *Gateway) Client(service string) *Client {
	return &Client{pool: g.pools[service], peer: &peer{secret: g.config.Secret, log: g.log}, timeout: 2 * time.Second}
}

// Belong has the client believe no instance that is of another installation.
func (c *Client) Belong(installation string) { c.peer.installation.Store(&installation) }

// Resolve asks for the record of a link. found is false only if the service has said that there was
// never such a link.
func (c *Client) Resolve(ctx context.Context, ref shortener.Ref) (r shortener.Record, found bool, err error) {
	query := url.Values{"domain": {ref.Domain}, "code": {ref.Code}}
	status, body, err := c.get(ctx, "/internal/resolve?"+query.Encode())
	if err != nil {
		return shortener.Record{}, false, fmt.Errorf("resolve %s: %w", ref, err)
	}
	switch status {
	case fasthttp.StatusOK:
		r, err = shortener.DecodeRecord(body)
		if err == nil && r.Ref != ref {
			err = fmt.Errorf("the answer is about %s", r.Ref)
		}
		if err != nil {
			return shortener.Record{}, false, fmt.Errorf("resolve %s: %w", ref, err)
		}
		return r, true, nil
	case fasthttp.StatusNotFound:
		return shortener.Record{}, false, nil
	}
	return shortener.Record{}, false, fmt.Errorf("resolve %s: status %d", ref, status)
}

// Salt asks for the key under which the visitors of a UTC day are hashed: what the service returns,
// in whatever form, hashed to the size of a key.
func (c *Client) Salt(ctx context.Context, day time.Time) (key [16]byte, err error) {
	const shortest = 16
	name := day.UTC().Format(time.DateOnly)
	status, body, err := c.get(ctx, "/internal/salt?day="+name)
	if err == nil && (status != fasthttp.StatusOK || len(body) < shortest) {
		err = fmt.Errorf("status %d with %d bytes", status, len(body))
	}
	if err != nil {
		return key, fmt.Errorf("get salt of %s: %w", name, err)
	}
	sum := sha256.Sum256(body)
	copy(key[:], sum[:])
	return key, nil
}

// Membership asks for the membership of the link shards, if it is newer than the epoch have: else body is
// nil. The installation is that of who answers.
func (c *Client) Membership(ctx context.Context, have uint64) (installation string, body []byte, err error) {
	status, header, body, err := c.ask(ctx, "/internal/membership?have="+strconv.FormatUint(have, 10))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("ask for the membership of the link shards: %w", err)
	case status == fasthttp.StatusNoContent:
		return header, nil, nil
	case status != fasthttp.StatusOK:
		return "", nil, fmt.Errorf("ask for the membership of the link shards: status %d", status)
	}
	return header, body, nil
}

// get makes one call, whose answer is that of an instance of ours. It does not heed the cancellation of ctx, only its deadline.
func (c *Client) get(ctx context.Context, uri string) (status int, body []byte, err error) {
	status, _, body, err = c.ask(ctx, uri)
	return status, body, err
}

// ask is get with the installation that answered.
func (c *Client) ask(ctx context.Context, uri string) (status int, installation string, body []byte, err error) {
	if c.pool == nil {
		return 0, "", nil, errors.New("no such service")
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + c.pool.service + uri)
	c.peer.introduce(req)
	timeout := c.timeout
	if d, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(d))
	}
	if timeout <= 0 || ctx.Err() != nil {
		return 0, "", nil, context.Cause(ctx)
	}
	// One instance that hangs must leave time to ask another.
	if err := c.pool.do(req, resp, nil, patience{timeout, timeout / 2}, c.peer.accept); err != nil {
		return 0, "", nil, err
	}
	if stream := resp.BodyStream(); stream != nil {
		body, err = io.ReadAll(io.LimitReader(stream, maxInternal))
		err = errors.Join(err, resp.CloseBodyStream())
	}
	return resp.StatusCode(), string(resp.Header.Peek(installationHeader)), body, err
}
