package api_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"snowlink/shortener"
	"snowlink/web/api"
)

// Each bad input has one status, one slug, and names the place of the value if there is one.
func TestBadInput(t *testing.T) {
	const links, link = "/api/v1/links", "/api/v1/links/x"
	long := func(n int) string { return strings.Repeat("x", n) }
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	for name, c := range map[string]struct {
		method, path, key, body string
		headers                 []string
		status                  int
		slug, location          string
	}{
		"no body":                     {"POST", links, editor, "", nil, 400, "malformed-json", ""},
		"cut off JSON":                {"POST", links, editor, `{"url":"https://example.com/"`, nil, 400, "malformed-json", "body"},
		"two values":                  {"POST", links, editor, `{"url":"https://example.com/"}{}`, nil, 400, "malformed-json", "body"},
		"not JSON":                    {"POST", links, editor, `url=https://example.com/`, nil, 400, "malformed-json", "body"},
		"not UTF-8":                   {"POST", links, editor, "{\"url\":\"https://example.com/\xff\"}", nil, 400, "malformed-json", "body"},
		"a number out of all bounds":  {"POST", links, editor, `{"url":"https://example.com/","redirect_status":1e999}`, nil, 400, "malformed-json", "body"},
		"a form":                      {"POST", links, editor, "url=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported-media-type", "body"},
		"text":                        {"POST", links, editor, "{}", []string{"Content-Type", "text/plain; charset=utf-8"}, 415, "unsupported-media-type", "body"},
		"a wrong type in a patch":     {"PATCH", link, editor, "{}", []string{"Content-Type", "application/xml"}, 415, "unsupported-media-type", "body"},
		"10 MB":                       {"POST", links, editor, `{"url":"` + long(10<<20) + `"}`, nil, 413, "too-large", ""},
		"a byte too many":             {"POST", links, editor, `{"url":"` + long(1<<20-9) + `"}`, nil, 413, "too-large", ""},
		"10 MB in a batch":            {"POST", links + "/batch", editor, `{"links":["` + long(10<<20) + `"]}`, nil, 413, "too-large", ""},
		"an array":                    {"POST", links, editor, `[]`, nil, 422, "invalid-value", "body"},
		"null":                        {"POST", links, editor, `null`, nil, 422, "invalid-value", "body"},
		"no url":                      {"POST", links, editor, `{}`, nil, 422, "invalid-value", "body"},
		"url null":                    {"POST", links, editor, `{"url":null}`, nil, 422, "invalid-value", "body.url"},
		"url a number":                {"POST", links, editor, `{"url":7}`, nil, 422, "invalid-value", "body.url"},
		"url empty":                   {"POST", links, editor, `{"url":""}`, nil, 422, "invalid-url", "body.url"},
		"url of another scheme":       {"POST", links, editor, `{"url":"javascript:alert(1)"}`, nil, 422, "invalid-url", "body.url"},
		"url without a scheme":        {"POST", links, editor, `{"url":"//evil.test/"}`, nil, 422, "invalid-url", "body.url"},
		"url of ours":                 {"POST", links, editor, `{"url":"https://SHO.rt.:8443/x"}`, nil, 422, "own-host", "body.url"},
		"url too long":                {"POST", links, editor, `{"url":"https://example.com/` + long(9000) + `"}`, nil, 422, "url-too-long", "body.url"},
		"an unknown member":           {"POST", links, editor, `{"url":"https://example.com/","colour":"red"}`, nil, 422, "invalid-value", "body.colour"},
		"a member in capitals":        {"POST", links, editor, `{"url":"https://example.com/","TITLE":"t"}`, nil, 422, "invalid-value", "body.TITLE"},
		"a member that is read only":  {"POST", links, editor, `{"url":"https://example.com/","version":3}`, nil, 422, "invalid-value", "body.version"},
		"a bad code":                  {"POST", links, editor, `{"url":"https://example.com/","code":"a b"}`, nil, 422, "invalid-code", "body.code"},
		"a code too long":             {"POST", links, editor, `{"url":"https://example.com/","code":"` + long(65) + `"}`, nil, 422, "invalid-code", "body.code"},
		"a reserved code":             {"POST", links, editor, `{"url":"https://example.com/","code":"api"}`, nil, 422, "reserved-code", "body.code"},
		"a reserved code in capitals": {"POST", links, editor, `{"url":"https://example.com/","code":"Metrics"}`, nil, 422, "reserved-code", "body.code"},
		"a taken code":                {"POST", links, editor, `{"url":"https://example.com/","code":"x"}`, nil, 409, "code-taken", ""},
		"a domain of others":          {"POST", links, editor, `{"url":"https://example.com/","domain":"example.net"}`, nil, 422, "unknown-domain", "body.domain"},
		"tags no array":               {"POST", links, editor, `{"url":"https://example.com/","tags":"a"}`, nil, 422, "invalid-value", "body.tags"},
		"a tag no text":               {"POST", links, editor, `{"url":"https://example.com/","tags":["a",1]}`, nil, 422, "invalid-value", "body.tags[1]"},
		"a status of no redirect":     {"POST", links, editor, `{"url":"https://example.com/","redirect_status":303}`, nil, 422, "invalid-value", "body.redirect_status"},
		"expiry in the past":          {"POST", links, editor, `{"url":"https://example.com/","expires_at":"2026-11-23T11:59:59Z"}`, nil, 422, "expires-in-past", "body.expires_at"},
		"expiry no time":              {"POST", links, editor, `{"url":"https://example.com/","expires_at":"tomorrow"}`, nil, 422, "invalid-value", "body.expires_at"},
		"expiry no time with a zone":  {"POST", links, editor, `{"url":"https://example.com/","expires_at":"2027-01-01T00:00:00"}`, nil, 422, "invalid-value", "body.expires_at"},
		"max_clicks":                  {"POST", links, editor, `{"url":"https://example.com/","max_clicks":5}`, nil, 422, "not-supported-yet", "body.max_clicks"},
		"a password":                  {"POST", links, editor, `{"url":"https://example.com/","password":"p"}`, nil, 422, "not-supported-yet", "body.password"},
		"rules":                       {"POST", links, editor, `{"url":"https://example.com/","rules":[{}]}`, nil, 422, "not-supported-yet", "body.rules"},
		"rules in a patch":            {"PATCH", link, editor, `{"rules":[{}]}`, nil, 422, "not-supported-yet", "body.rules"},
		"a code in a patch":           {"PATCH", link, editor, `{"code":"y"}`, nil, 422, "invalid-value", "body.code"},
		"url null in a patch":         {"PATCH", link, editor, `{"url":null}`, nil, 422, "invalid-url", "body.url"},
		"a status nobody sets":        {"PATCH", link, editor, `{"status":"expired"}`, nil, 422, "invalid-value", "body.status"},
		"a key too long to repeat by": {"POST", links, editor, `{"url":"https://example.com/"}`, []string{"Idempotency-Key", long(256)}, 422, "invalid-value", "header.Idempotency-Key"},
		"a key that is not printable": {"POST", links, editor, `{"url":"https://example.com/"}`, []string{"Idempotency-Key", "a\tb"}, 422, "invalid-value", "header.Idempotency-Key"},
		"an empty batch":              {"POST", links + "/batch", editor, `{"links":[]}`, nil, 422, "invalid-value", "body.links"},
		"a batch of 1,001":            {"POST", links + "/batch", editor, `{"links":[` + strings.Repeat("{},", 1000) + `{}]}`, nil, 422, "invalid-value", "body.links"},
		"an unknown code":             {"GET", links + "/unknown", reader, "", nil, 404, "not-found", ""},
		"no form of a code":           {"GET", links + "/a%20b", reader, "", nil, 404, "not-found", ""},
		"a reserved name":             {"GET", links + "/api", reader, "", nil, 404, "not-found", ""},
		"an unknown domain":           {"GET", link + "?domain=example.net", reader, "", nil, 422, "unknown-domain", "query.domain"},
		"an unknown parameter":        {"GET", links + "?colour=red", reader, "", nil, 422, "invalid-value", "query.colour"},
		"limit 0":                     {"GET", links + "?limit=0", reader, "", nil, 422, "invalid-value", "query.limit"},
		"limit 1,001":                 {"GET", links + "?limit=1001", reader, "", nil, 422, "invalid-value", "query.limit"},
		"limit no number":             {"GET", links + "?limit=ten", reader, "", nil, 422, "invalid-value", "query.limit"},
		"limit beyond numbers":        {"GET", links + "?limit=99999999999999999999", reader, "", nil, 422, "invalid-value", "query.limit"},
		"a cursor made up":            {"GET", links + "?cursor=abc", reader, "", nil, 422, "invalid-cursor", "query.cursor"},
		"a cursor not base64":         {"GET", links + "?cursor=%00%ff", reader, "", nil, 422, "invalid-cursor", "query.cursor"},
		"an unknown sort":             {"GET", links + "?sort=title", reader, "", nil, 422, "invalid-value", "query.sort"},
		"an unknown status":           {"GET", links + "?status=old", reader, "", nil, 422, "invalid-value", "query.status"},
		"a size of no image":          {"GET", link + "/qr.png?size=100000", reader, "", nil, 422, "invalid-value", "query.size"},
		"an image of no format":       {"GET", link + "/qr.gif", reader, "", nil, 404, "not-found", ""},
		"an unknown path":             {"GET", "/api/v1/nothing", reader, "", nil, 404, "not-found", ""},
		"a slash too many":            {"GET", links + "/", reader, "", nil, 404, "not-found", ""},
		"a method not allowed":        {"PUT", link, editor, `{}`, nil, 405, "method-not-allowed", ""},
		"an unknown range":            {"GET", "/api/v1/analytics/summary?range=1d", reader, "", nil, 422, "invalid-value", "query.range"},
		"range and from":              {"GET", "/api/v1/analytics/summary?range=7d&from=2026-01-01", reader, "", nil, 422, "invalid-range", "query.range"},
		"from after to":               {"GET", "/api/v1/analytics/summary?from=2026-01-02&to=2026-01-01", reader, "", nil, 422, "invalid-range", "query.to"},
		"from no time":                {"GET", "/api/v1/analytics/summary?from=yesterday", reader, "", nil, 422, "invalid-time", "query.from"},
		"from before all computers":   {"GET", "/api/v1/analytics/summary?from=0001-01-01", reader, "", nil, 422, "invalid-time", "query.from"},
		"to no date":                  {"GET", "/api/v1/analytics/summary?to=2026-02-30", reader, "", nil, 422, "invalid-time", "query.to"},
		"an unknown zone":             {"GET", "/api/v1/analytics/summary?tz=Mars/Olympus", reader, "", nil, 422, "invalid-time-zone", "query.tz"},
		"this machine's zone":         {"GET", "/api/v1/analytics/summary?tz=Local", reader, "", nil, 422, "invalid-time-zone", "query.tz"},
		"a zone out of its folder":    {"GET", "/api/v1/analytics/summary?tz=../../etc/passwd", reader, "", nil, 422, "invalid-time-zone", "query.tz"},
		"bots maybe":                  {"GET", "/api/v1/analytics/summary?bots=maybe", reader, "", nil, 422, "invalid-value", "query.bots"},
		"a misspelt filter":           {"GET", "/api/v1/analytics/summary?contry=GB", reader, "", nil, 422, "invalid-value", "query.contry"},
		"clicks of no link":           {"GET", "/api/v1/analytics/summary?code=unknown", reader, "", nil, 404, "not-found", ""},
		"clicks of no code":           {"GET", "/api/v1/analytics/summary?code=a%2Fb", reader, "", nil, 404, "not-found", ""},
		"clicks of no domain":         {"GET", "/api/v1/analytics/summary?domain=example.net", reader, "", nil, 422, "unknown-domain", "query.domain"},
		"an unknown interval":         {"GET", "/api/v1/analytics/timeseries?interval=second", reader, "", nil, 422, "invalid-value", "query.interval"},
		"too many buckets":            {"GET", "/api/v1/analytics/timeseries?interval=minute&range=28d", reader, "", nil, 422, "too-many-buckets", "query.interval"},
		"far too many buckets":        {"GET", "/api/v1/analytics/timeseries?interval=minute&from=1970-01-01", reader, "", nil, 422, "too-many-buckets", "query.interval"},
		"an unknown dimension":        {"GET", "/api/v1/analytics/breakdown/colour", reader, "", nil, 422, "invalid-value", "path.dimension"},
		"a dimension to come":         {"GET", "/api/v1/analytics/breakdown/tag", reader, "", nil, 422, "not-supported-yet", "path.dimension"},
		"an export of no format":      {"GET", "/api/v1/clicks/export?format=xlsx", reader, "", nil, 422, "invalid-value", "query.format"},
		"a key without a name":        {"POST", "/api/v1/keys", owner, `{"role":"reader"}`, nil, 422, "invalid-value", "body"},
		"a key with an empty name":    {"POST", "/api/v1/keys", owner, `{"name":"","role":"reader"}`, nil, 422, "invalid-value", "body.name"},
		"a key of no role":            {"POST", "/api/v1/keys", owner, `{"name":"n","role":"god"}`, nil, 422, "invalid-value", "body.role"},
		"a key that has expired":      {"POST", "/api/v1/keys", owner, `{"name":"n","role":"reader","expires_at":"2026-11-23T12:00:00Z"}`, nil, 422, "expires-in-past", "body.expires_at"},
		"an unknown key":              {"DELETE", "/api/v1/keys/key_unknown", owner, "", nil, 404, "not-found", ""},
		"one's own key":               {"DELETE", "/api/v1/keys/key_owner", owner, "", nil, 403, "own-key", ""},
		"no key":                      {"GET", link, "", "", nil, 401, "unauthorized", ""},
		"a wrong key":                 {"GET", link, "slk_wrong", "", nil, 401, "unauthorized", ""},
		"a key of others":             {"GET", link, "ghp_0123456789", "", nil, 401, "unauthorized", ""},
		"another scheme":              {"GET", link, "", "", []string{"Authorization", "Basic c2xrOng="}, 401, "unauthorized", ""},
		"a reader makes a link":       {"POST", links, reader, `{"url":"https://example.com/"}`, nil, 403, "forbidden", ""},
		"a reader deletes a link":     {"DELETE", link, reader, "", nil, 403, "forbidden", ""},
		"an editor lists keys":        {"GET", "/api/v1/keys", editor, "", nil, 403, "forbidden", ""},
		"an editor rebuilds":          {"POST", "/api/v1/admin/events/replay", editor, "", nil, 403, "forbidden", ""},
		"no body and no key":          {"POST", links, "", `{`, nil, 401, "unauthorized", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(c.method, c.path, c.key, c.body, c.headers...)
			a.t = t
			p := a.problem(c.status, c.slug)
			if c.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.location || p.Errors[0].Message == "") {
				t.Errorf("errors are %+v, want one at %s", p.Errors, c.location)
			}
			if len(a.body) > 2000 {
				t.Errorf("the answer has %d bytes: it says the request again", len(a.body))
			}
			if c.status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate is %q", a.Header.Get("WWW-Authenticate"))
			}
			if c.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("there is no Allow header")
			}
			w.call("GET", "/api/problems/"+c.slug, "", "").status(302)
		})
	}
	equal(t, "number of links", len(w.store.links), 1)
	equal(t, "version of the link", w.store.links[shortener.Ref{Code: "x"}].Version, 1)
}

func TestEveryValueThatIsWrongIsToldAtOnce(t *testing.T) {
	p := newWorld(t).post("/api/v1/links", `{"url":"ftp://example.com/","code":"api","fallback_url":"nowhere","expires_at":"2020-01-01T00:00:00Z"}`).status(422)
	problem := decode[api.Problem](p)
	var places []string
	for _, e := range problem.Errors {
		places = append(places, e.Location)
	}
	for _, want := range []string{"body.url", "body.code", "body.fallback_url", "body.expires_at"} {
		if !strings.Contains(strings.Join(places, " "), want) {
			t.Errorf("errors are at %v, want one at %s", places, want)
		}
	}
}

func TestABodyThatEndsTooSoonIsNoFaultOfOurs(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/links", io.MultiReader(strings.NewReader(`{"url":`), brokenReader{}))
	r.Header.Set("Authorization", "Bearer "+editor)
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, r)
	(&answer{t, recorder.Result(), recorder.Body.Bytes()}).problem(400, "malformed-json")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

func TestAnErrorNobodyClassifiedShowsNothingOfItself(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/links").status(200)
	w.store.setDown(errors.New("disk I/O error at /var/lib/secret.db"))
	p := w.get("/api/v1/links").problem(500, "internal")
	if strings.Contains(p.Detail, "secret") {
		t.Errorf("detail is %q", p.Detail)
	}
	if !strings.Contains(w.logs.String(), "secret.db") || !strings.Contains(w.logs.String(), p.RequestID) {
		t.Errorf("the log does not tell: %s", w.logs)
	}
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Links = nil })
	p := w.get("/api/v1/links/x").problem(500, "internal")
	if !strings.Contains(w.logs.String(), "panic while serving") || !strings.Contains(w.logs.String(), p.RequestID) {
		t.Errorf("the log does not tell: %s", w.logs)
	}
	w.get("/api/v1/links").status(200)
}

func TestEveryKindOfErrorHasAStatus(t *testing.T) {
	for kind := shortener.Internal; kind <= shortener.Unavailable; kind++ {
		w := newWorld(t)
		w.get("/api/v1/links").status(200)
		w.store.setDown(shortener.Errorf(kind, "No."))
		if status := w.get("/api/v1/links").StatusCode; status < 400 || status == 500 && kind != shortener.Internal {
			t.Errorf("%s is answered %d", kind, status)
		}
	}
}
