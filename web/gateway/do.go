package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// maxTries bounds how often one request is tried.
const maxTries = 4

// errStale is of a connection that was closed while it lay idle, errDial of one that could not be made, and
// errQuiet of one whose instance has answered nobody for a while.
var (
	errStale = errors.New("connection was closed while idle")
	errDial  = errors.New("dial")
	errQuiet = errors.New("the instance answers nobody")
)

// sentError is of a request that was sent, at least in part, and not answered.
type sentError struct{ err error }

func (e *sentError) Error() string { return "sent, not answered: " + e.err.Error() }
func (e *sentError) Unwrap() error { return e.err }

// terms are those under which a request is sent.
type terms struct {
	patience time.Duration                  // for all tries together; 0: for ever
	accept   func(*fasthttp.Response) error // why an answer counts as none; nil: each counts
	tried    *tried                         // by others on behalf of the same question
}

// do sends req to an instance, and to others if that is harmless. An answer that is not accepted counts as
// none. The error is a *sentError if the request may have been acted upon.
func (p *pool) do(req *fasthttp.Request, resp *fasthttp.Response, body *requestBody, on terms) error {
	deadline := time.Now().Add(on.patience)
	harmless := req.Header.IsGet() || req.Header.IsHead()
	p.retries.Call()
	var failed error
	for try := range maxTries {
		c, err := p.pick(on.tried)
		if err != nil {
			return errors.Join(failed, err)
		}
		if try > 0 && !wasUnsent(failed) && !p.retries.Retry() {
			c.picked.Done(0, context.Canceled)
			c.permit.Done(context.Canceled)
			return fmt.Errorf("too much is tried again already: %w", failed)
		}
		if on.patience > 0 {
			req.SetTimeout(max(1, time.Until(deadline)))
		}
		err = p.try(c, req, resp, body, on)
		if err == nil || body.failed() {
			return err
		}
		failed = fmt.Errorf("call %s %s: %w", p.service, c.ID, err)
		if !wasUnsent(err) {
			failed = &sentError{failed}
			if !harmless {
				return failed
			}
		}
		if on.patience > 0 && time.Until(deadline) <= 0 || !body.rewind(req) {
			return failed
		}
	}
	return failed
}

// try sends req to one instance.
func (p *pool) try(c *call, req *fasthttp.Request, resp *fasthttp.Response, body *requestBody, on terms) error {
	err := c.client.Do(req, resp)
	switch {
	case body.failed(): // which the client has caused
		c.done(context.Canceled, nil)
	case errors.Is(err, errStale): // it restarted, perhaps: a new connection will tell
		c.done(context.Canceled, nil)
		c.client.CloseIdleConnections()
		on.tried.remove(c.ID)
	case err == nil && on.accept != nil:
		err = on.accept(resp)
		c.done(nil, err)
	default:
		c.done(err, nil)
	}
	return err
}

// wasUnsent reports whether the request cannot have reached the instance.
func wasUnsent(err error) bool {
	return errors.Is(err, errDial) || errors.Is(err, errStale) || errors.Is(err, fasthttp.ErrNoFreeConns)
}
