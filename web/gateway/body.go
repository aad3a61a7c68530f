package gateway

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

var errTooLarge = errors.New("request body is too large")

// requestBody is what the client sends, up to a limit. A nil one is no body.
type requestBody struct {
	from   io.Reader
	length int // -1: not known
	left   int64
	err    error
	seen   []byte // all that was read, as long as that is little
	lost   bool   // more was read than seen has
}

// maxSeen is how much of a body may be sent a second time. What is read before a connection turns out
// to be closed is a buffer full.
const maxSeen = 64 << 10

func (b *requestBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err = errTooLarge
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	if b.lost = b.lost || len(b.seen)+n > maxSeen; !b.lost {
		b.seen = append(b.seen, p[:n]...)
	}
	return n, err
}

// rewind makes the body of req start again, and reports whether it can.
func (b *requestBody) rewind(req *fasthttp.Request) bool {
	if b == nil {
		return true
	}
	if b.lost || b.err != nil {
		return false
	}
	if n := len(b.seen); n > 0 {
		b.from, b.left, b.seen = io.MultiReader(bytes.NewReader(b.seen), b.from), b.left+int64(n), nil
	}
	req.SetBodyStream(b, b.length)
	return true
}

func (b *requestBody) failed() bool   { return b != nil && b.err != nil }
func (b *requestBody) tooLarge() bool { return b != nil && errors.Is(b.err, errTooLarge) }
func (b *requestBody) broken() bool   { return b.failed() && !b.tooLarge() }

// responseBody is what an instance sends, while the client takes it: each part gives the client the
// idle time anew.
type responseBody struct {
	ctx  *fasthttp.RequestCtx
	resp *fasthttp.Response
	from io.Reader
	idle time.Duration
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if n > 0 {
		if late := b.ctx.Conn().SetWriteDeadline(time.Now().Add(b.idle)); late != nil {
			return n, late
		}
	}
	return n, err
}

func (b *responseBody) Close() error {
	err := b.resp.CloseBodyStream()
	fasthttp.ReleaseResponse(b.resp)
	return err
}
