package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"snowlink/shortener"
)

// columns are the stored fields of a click, as an export names them. All are text.
var columns = []struct {
	name  string
	value func(a *API, c *shortener.StoredClick) string
}{
	{"id", func(_ *API, c *shortener.StoredClick) string { return c.ID() }},
	{"code", func(_ *API, c *shortener.StoredClick) string { return c.Ref.Code }},
	{"domain", func(a *API, c *shortener.StoredClick) string { return a.domainName(c.Ref.Domain) }},
	{"at", func(_ *API, c *shortener.StoredClick) string { return c.At.UTC().Format("2006-01-02T15:04:05.000Z") }},
	{"visitor", func(_ *API, c *shortener.StoredClick) string { return fmt.Sprintf("%016x", c.Visitor) }},
	{"country", func(_ *API, c *shortener.StoredClick) string { return c.Country }},
	{"region", func(_ *API, c *shortener.StoredClick) string { return c.Region }},
	{"city", func(_ *API, c *shortener.StoredClick) string { return c.City }},
	{"referrer", func(_ *API, c *shortener.StoredClick) string { return c.Referrer }},
	{"referrer_host", func(_ *API, c *shortener.StoredClick) string { return c.ReferrerHost }},
	{"channel", func(_ *API, c *shortener.StoredClick) string { return c.Channel }},
	{"user_agent", func(_ *API, c *shortener.StoredClick) string { return c.UserAgent }},
	{"browser", func(_ *API, c *shortener.StoredClick) string { return c.Browser }},
	{"os", func(_ *API, c *shortener.StoredClick) string { return c.OS }},
	{"device", func(_ *API, c *shortener.StoredClick) string { return c.Device }},
	{"language", func(_ *API, c *shortener.StoredClick) string { return c.Language }},
	{"bot", func(_ *API, c *shortener.StoredClick) string { return c.Bot }},
	{"rule", func(_ *API, c *shortener.StoredClick) string { return c.Rule }},
	{"utm_source", func(_ *API, c *shortener.StoredClick) string { return c.UTM.Source }},
	{"utm_medium", func(_ *API, c *shortener.StoredClick) string { return c.UTM.Medium }},
	{"utm_campaign", func(_ *API, c *shortener.StoredClick) string { return c.UTM.Campaign }},
	{"utm_term", func(_ *API, c *shortener.StoredClick) string { return c.UTM.Term }},
	{"utm_content", func(_ *API, c *shortener.StoredClick) string { return c.UTM.Content }},
	{"source", func(_ *API, c *shortener.StoredClick) string { return c.Source.String() }},
}

func (a *API) routeExport() {
	op := operation(http.MethodGet, "/clicks/export", "export-clicks", tagClicks, shortener.RoleReader, "Export clicks")
	op.Description = "Every stored field, oldest first, streamed: all of one moment, however long it takes. An answer that ends without " +
		"its last chunk is not whole. In CSV, a cell that a spreadsheet would take for a formula has an apostrophe before it."
	op.Metadata[unhurried] = true
	text := &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The clicks", Content: map[string]*huma.MediaType{"application/x-ndjson": text, "text/csv": text},
	}}
	huma.Register(a.huma, op, a.export)
}

func (a *API) export(ctx context.Context, req *struct {
	Format string `query:"format" enum:"ndjson,csv" default:"ndjson"`
	ClickParams
},
) (*huma.StreamResponse, error) {
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		format := formats[req.Format]
		ctx.SetHeader("Content-Type", format.mediaType)
		ctx.SetHeader("Content-Disposition", `attachment; filename="clicks.`+req.Format+`"`)
		if err := a.writeClicks(ctx, q.query, format); err != nil {
			a.cutExport(ctx, err)
		}
	}}, nil
}

// cutExport answers an error if nothing was sent yet, and else breaks the answer off.
func (a *API) cutExport(ctx huma.Context, err error) {
	if humagin.Unwrap(ctx).Writer.Written() {
		callOf(ctx.Context()).err = err
		panic(http.ErrAbortHandler)
	}
	humagin.Unwrap(ctx).Writer.Header().Del("Content-Disposition")
	_ = huma.WriteErr(a.huma, ctx, http.StatusInternalServerError, "", clickStoreErr(err))
}

// format is a way to write clicks down.
type format struct {
	mediaType string
	head      func() []byte
	row       func(a *API, dst []byte, c *shortener.StoredClick) []byte
}

var formats = map[string]format{
	"ndjson": {"application/x-ndjson", func() []byte { return nil }, (*API).appendJSON},
	"csv":    {"text/csv; charset=utf-8", csvHead, (*API).appendCSV},
}

func (a *API) writeClicks(ctx huma.Context, q shortener.ClickQuery, f format) error {
	out := bufio.NewWriterSize(ctx.BodyWriter(), 64<<10)
	if _, err := out.Write(f.head()); err != nil {
		return err
	}
	var row []byte
	err := a.config.Clicks.Export(ctx.Context(), q, func(c shortener.StoredClick) error {
		row = f.row(a, row[:0], &c)
		_, err := out.Write(row)
		return err
	})
	if err != nil {
		return err
	}
	ctx.SetStatus(http.StatusOK)
	return out.Flush()
}

func (a *API) appendJSON(dst []byte, c *shortener.StoredClick) []byte {
	for i, col := range columns {
		dst = append(dst, "{,"[min(i, 1)], '"')
		dst = append(dst, col.name...)
		dst = append(dst, '"', ':')
		dst = appendString(dst, col.value(a, c))
	}
	return append(dst, '}', '\n')
}

// appendString writes a JSON string. Nearly all of them need no escape, and are copied.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always has a JSON form
				panic(err)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func csvHead() (head []byte) {
	for i, col := range columns {
		if i > 0 {
			head = append(head, ',')
		}
		head = append(head, col.name...)
	}
	return append(head, '\r', '\n')
}

func (a *API) appendCSV(dst []byte, c *shortener.StoredClick) []byte {
	for i, col := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCell(dst, col.value(a, c))
	}
	return append(dst, '\r', '\n')
}

// appendCell writes a cell by RFC 4180. What a spreadsheet would run is led by an apostrophe, and so
// is what begins with one, so that taking one away always gives the value back.
func appendCell(dst []byte, value string) []byte {
	if value != "" && strings.IndexByte("=+-@\t\r\n'", value[0]) >= 0 {
		value = "'" + value
	}
	if !strings.ContainsAny(value, "\",\r\n") {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(value, `"`, `""`)...)
	return append(dst, '"')
}
