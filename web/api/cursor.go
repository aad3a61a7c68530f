package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// cursors makes and reads places in a list. A cursor is signed together with the query it belongs to:
// one that was changed, or was given for another query, is refused.
type cursors struct{ key []byte }

// macSize is enough of the signature: a guess costs a call.
const macSize = 16

func (c cursors) mac(scope string, payload []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write(payload)
	return h.Sum(nil)[:macSize]
}

// seal returns the cursor of a place, which must be encodable as JSON.
func (c cursors) seal(scope string, place any) (string, error) {
	payload, err := json.Marshal(place)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(scope, payload), payload...)), nil
}

// open reads into place what seal was given for the same scope. The error is Invalid.
func (c cursors) open(scope, cursor string, place any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], c.mac(scope, raw[macSize:])) ||
		json.Unmarshal(raw[macSize:], place) != nil {
		return in("query", shortener.InvalidField("cursor", "invalid-cursor",
			"The cursor is not one of this list: use next_cursor as it was given, with the same query."))
	}
	return nil
}

// Page is the part of a query that walks through a list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"1000" doc:"The next_cursor of the page before; the rest of the query must be the same."`

	scope string // what a cursor belongs to
}

// Resolve notes what a cursor of this query belongs to.
func (p *Page) Resolve(ctx huma.Context) []error {
	url := ctx.URL()
	query := url.Query()
	query.Del("limit")
	query.Del("cursor")
	p.scope = strings.Join([]string{url.Path, query.Encode()}, "?")
	return nil
}
