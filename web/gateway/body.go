package gateway

import (
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

var errTooLarge = errors.New("request body is too large")

// requestBody is what the client sends, up to a limit. A nil one is no body.
type requestBody struct {
	from io.Reader
	left int64
	err  error
}

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
	return n, err
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
