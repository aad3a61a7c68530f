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
	hedge   time.Duration
}

// Client returns a client of the service, which must be one of Config.Services.
func (g *Gateway) Client(service string) *Client {
	return &Client{
		pool: g.pools[service], peer: &peer{secret: g.config.Secret, log: g.log}, timeout: 2 * time.Second, hedge: g.config.Hedge,
	}
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

// get makes one call, whose answer is that of an instance of ours.
func (c *Client) get(ctx context.Context, uri string) (status int, body []byte, err error) {
	status, _, body, err = c.ask(ctx, uri)
	return status, body, err
}

// said is what an instance has answered.
type said struct {
	status       int
	installation string
	body         []byte
	err          error
}

// ask makes one call, and while that is not answered after a moment, another of a second instance: the first
// answer counts. An instance that hangs, or is slow for once, so costs no more than that moment.
func (c *Client) ask(ctx context.Context, uri string) (status int, installation string, body []byte, err error) {
	if c.pool == nil {
		return 0, "", nil, errors.New("no such service")
	}
	patience := c.timeout
	if d, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(d))
	}
	if patience <= 0 || ctx.Err() != nil {
		return 0, "", nil, context.Cause(ctx)
	}
	answers := make(chan said, 2)
	on := terms{patience: patience, accept: c.accept, tried: &tried{}}
	begin := func() { c.pool.calls.Go(func() { answers <- c.call(uri, on) }) }
	begin()
	hedge := time.NewTimer(c.hedge)
	defer hedge.Stop()
	for running := 1; running > 0; {
		select {
		case a := <-answers:
			if a.err == nil {
				return a.status, a.installation, a.body, nil
			}
			err = errors.Join(err, a.err)
			running--
		case <-hedge.C:
			if c.pool.retries.Retry() {
				begin()
				running++
			}
		case <-ctx.Done():
			return 0, "", nil, errors.Join(err, context.Cause(ctx))
		}
	}
	return 0, "", nil, err
}

// accept returns why an answer is not to be relied on: it is a stranger's, or that of an instance that is
// in difficulties of its own, which another may not have.
func (c *Client) accept(resp *fasthttp.Response) error {
	if err := c.peer.accept(resp); err != nil {
		return err
	}
	if status := resp.StatusCode(); status >= fasthttp.StatusInternalServerError {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

func (c *Client) call(uri string, on terms) (a said) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + c.pool.service + uri)
	c.peer.introduce(req)
	if a.err = c.pool.do(req, resp, nil, on); a.err != nil {
		return a
	}
	a.status, a.installation = resp.StatusCode(), string(resp.Header.Peek(installationHeader))
	if stream := resp.BodyStream(); stream != nil {
		a.body, a.err = io.ReadAll(io.LimitReader(stream, maxInternal))
		a.err = errors.Join(a.err, resp.CloseBodyStream())
	}
	return a
}
