package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"snowlink/shortener"
	"snowlink/web/api"
)

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	for _, c := range []struct {
		method, path, body string
		need               shortener.Role
	}{
		{"GET", "/api/v1/me", "", shortener.RoleReader},
		{"GET", "/api/v1/links", "", shortener.RoleReader},
		{"GET", "/api/v1/links/x", "", shortener.RoleReader},
		{"GET", "/api/v1/links/x/history", "", shortener.RoleReader},
		{"GET", "/api/v1/links/x/qr.svg", "", shortener.RoleReader},
		{"GET", "/api/v1/analytics/summary", "", shortener.RoleReader},
		{"GET", "/api/v1/clicks/export", "", shortener.RoleReader},
		{"POST", "/api/v1/links", `{"url":"https://example.com/"}`, shortener.RoleEditor},
		{"POST", "/api/v1/links/batch", `{"links":[{}]}`, shortener.RoleEditor},
		{"PATCH", "/api/v1/links/x", `{}`, shortener.RoleEditor},
		{"DELETE", "/api/v1/links/x", "", shortener.RoleEditor},
		{"POST", "/api/v1/links/x/restore", "", shortener.RoleEditor},
		{"GET", "/api/v1/keys", "", shortener.RoleOwner},
		{"POST", "/api/v1/keys", `{"name":"n","role":"reader"}`, shortener.RoleOwner},
		{"POST", "/api/v1/admin/events/verify", "", shortener.RoleOwner},
		{"POST", "/api/v1/admin/events/replay", "", shortener.RoleOwner},
		{"POST", "/api/v1/admin/clicks/verify", "", shortener.RoleOwner},
	} {
		w.call(c.method, c.path, "", c.body).header("WWW-Authenticate", `Bearer realm="snowlink"`).problem(401, "unauthorized")
		for role, secret := range map[shortener.Role]string{shortener.RoleReader: reader, shortener.RoleEditor: editor, shortener.RoleOwner: owner} {
			if role.Allows(c.need) {
				continue
			}
			w.call(c.method, c.path, secret, c.body).problem(403, "forbidden")
		}
		for _, secret := range []string{reader, editor, owner} {
			if a := w.call(c.method, c.path, secret, c.body); a.StatusCode/100 == 2 {
				break
			} else if secret == owner {
				t.Errorf("%s %s is not even an owner's: %s", c.method, c.path, a.body)
			}
		}
	}
}

func TestAKeyIsShownOnceAndWorksUntilItEnds(t *testing.T) {
	w := newWorld(t)
	made := w.call("POST", "/api/v1/keys", owner, `{"name":"ci","role":"editor","expires_at":"2026-11-24T12:00:00Z"}`).status(201)
	key := decode[api.NewKey](made)
	if !strings.HasPrefix(key.Secret, "slk_") || len(key.Secret) != 36 || key.Hint != key.Secret[32:] || key.CreatedBy != "key_owner" || key.Role != "editor" {
		t.Errorf("key is %s", made.body)
	}
	made.header("Location", "/api/v1/keys/"+key.ID).header("Cache-Control", "no-store")
	if list := w.call("GET", "/api/v1/keys", owner, "").status(200); strings.Contains(string(list.body), key.Secret) || !strings.Contains(string(list.body), key.ID) {
		t.Errorf("list is %s", list.body)
	}
	if strings.Contains(w.logs.String(), key.Secret) {
		t.Error("the secret is in the log")
	}
	equal(t, "me", decode[api.Key](w.call("GET", "/api/v1/me", key.Secret, "").status(200)).Name, "ci")
	w.pass(24*time.Hour - time.Millisecond)
	w.call("GET", "/api/v1/me", key.Secret, "").status(200)
	w.pass(time.Millisecond)
	w.call("GET", "/api/v1/me", key.Secret, "").header("WWW-Authenticate", `Bearer realm="snowlink", error="invalid_token"`).problem(401, "unauthorized")
}

func TestARevokedKeyOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.call("GET", "/api/v1/me", editor, "").status(200)
	w.call("DELETE", "/api/v1/keys/key_editor", owner, "").status(204)
	w.call("GET", "/api/v1/me", editor, "").problem(401, "unauthorized")
	w.call("DELETE", "/api/v1/keys/key_editor", owner, "").status(204)
}

func TestAKeyRevokedElsewhereEndsWithinTenSeconds(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/me").status(200)
	if err := w.store.RevokeKey(t.Context(), "key_reader", noon); err != nil {
		t.Fatal(err)
	}
	w.pass(9 * time.Second)
	w.get("/api/v1/me").status(200)
	w.pass(time.Second)
	w.get("/api/v1/me").problem(401, "unauthorized")
}

func TestAKeyIsLookedUpOnceATenSeconds(t *testing.T) {
	w := newWorld(t)
	for range 50 {
		w.get("/api/v1/me").status(200)
	}
	equal(t, "lookups", w.store.asked, 1)
}

func TestAKnownKeyOutlivesItsStoreForAnHour(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/me").status(200)
	w.store.setDown(errDown)
	w.pass(time.Hour - time.Second)
	w.get("/api/v1/me").status(200)
	w.pass(time.Second)
	w.get("/api/v1/me").problem(503, "unavailable")
}

func TestAKeyHasALimit(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.KeyRate, c.Limits.KeyBurst = 10, 20 })
	for range 20 {
		w.get("/api/v1/me").status(200)
	}
	a := w.get("/api/v1/me").header("Retry-After", "1").header("RateLimit-Policy", `"key";q=20;w=2`)
	a.problem(429, "limited")
	w.call("GET", "/api/v1/me", editor, "").status(200) // another key's is another
	w.pass(100 * time.Millisecond)
	w.get("/api/v1/me").status(200)
	w.get("/api/v1/me").problem(429, "limited")
}

func TestWrongKeysAreLimitedByAddressAndRightOnesAreNot(t *testing.T) {
	w := newWorld(t)
	wrong := func(addr string) *answer {
		return w.call("GET", "/api/v1/me", fmt.Sprintf("slk_%d", w.store.asked), "", api.ClientHeader, addr)
	}
	for range 50 {
		wrong("203.0.113.7").problem(401, "unauthorized")
	}
	p := wrong("203.0.113.7").header("Retry-After", "6")
	p.problem(429, "limited")
	w.call("GET", "/api/v1/me", reader, "", api.ClientHeader, "203.0.113.7").status(200)
	wrong("203.0.113.8").problem(401, "unauthorized")
	w.pass(6 * time.Second)
	wrong("203.0.113.7").problem(401, "unauthorized")
	wrong("203.0.113.7").problem(429, "limited")
}

func TestAudits(t *testing.T) {
	w := newWorld(t)
	a := w.call("POST", "/api/v1/admin/events/verify", owner, "").status(200)
	equal(t, "report", strings.TrimSpace(string(a.body)), `{"ok":true,"checked":3,"faults":[]}`)
	w.call("POST", "/api/v1/admin/events/replay", owner, "").status(200)
	r := decode[api.Report](w.call("POST", "/api/v1/admin/clicks/verify", owner, "").status(200))
	equal(t, "faults", len(r.Faults), 1)
}

func TestEdgesResolveLinks(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	ask := func(query, secret string) *answer {
		return w.call("GET", "/internal/"+query, "", "", api.ClusterHeader, secret, api.ProtocolHeader, "1")
	}
	read := func() shortener.Record {
		a := ask("resolve?code=x&domain=", "cluster secret").status(200).header("Content-Type", "application/octet-stream")
		r, err := shortener.DecodeRecord(a.body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := read(); r.Target != "https://example.com/" || r.Version != 1 || r.Ref != (shortener.Ref{Code: "x"}) {
		t.Errorf("record is %+v", r)
	}
	w.call("DELETE", "/api/v1/links/x", editor, "").status(204)
	equal(t, "state of a deleted link", read().State, shortener.Deleted)

	ask("resolve?code=unknown", "cluster secret").problem(404, "not-found")
	// Nothing but that a link never was is answered 404: an edge would believe it.
	ask("resolve?code=x&domain=elsewhere.example", "cluster secret").problem(422, "unknown-domain")
	ask("resolve?code=x", "wrong").problem(403, "forbidden")
	ask("resolve?code=x", "").problem(403, "forbidden")
	w.store.setDown(errDown)
	ask("resolve?code=x", "cluster secret").problem(503, "unavailable")
	open := newWorld(t, func(c *api.Config) { c.ClusterSecret = "" })
	open.call("GET", "/internal/resolve?code=x", "", "", api.ClusterHeader, "").problem(403, "forbidden")
}

func TestEdgesAskForTheSaltOfADay(t *testing.T) {
	w := newWorld(t)
	for day, status := range map[string]int{
		"2026-11-23": 200, "2026-11-22": 200, "2026-11-24": 200, "2026-11-21": 422, "2026-11-25": 422, "today": 422, "": 422, "2026-11-23T00:00:00Z": 422,
	} {
		a := w.call("GET", "/internal/salt?day="+day, "", "", api.ClusterHeader, "cluster secret", api.ProtocolHeader, "1").status(status)
		if status == 200 {
			equal(t, "salt", string(a.body), "salt of "+day)
		}
	}
	w.call("GET", "/internal/salt?day=2026-11-23", "", "").problem(403, "forbidden")
}

func TestARequestKeepsItsID(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ header, value, want string }{
		"given":               {"X-Request-Id", "abc-1.2:3_X", "abc-1.2:3_X"},
		"of a trace":          {"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"},
		"one that breaks out": {"X-Request-Id", `a" b`, ""},
		"one too long":        {"X-Request-Id", strings.Repeat("a", 65), ""},
		"of a broken trace":   {"Traceparent", "00-xyz-1-01", ""},
	} {
		got := w.call("GET", "/api/v1/me", reader, "", c.header, c.value).status(200).Header.Get("X-Request-Id")
		if c.want != "" && got != c.want || c.want == "" && len(got) != 32 {
			t.Errorf("%s: id is %q, want %q", name, got, c.want)
		}
	}
}

func TestALineIsLoggedForEachCallAndNeverASecretOrAPath(t *testing.T) {
	w := newWorld(t)
	w.call("GET", "/api/v1/links/some-code?q=x", reader, "", "X-Request-Id", "r1")
	line := w.logs.String()
	for _, want := range []string{`"request":"r1"`, `"method":"GET"`, `"route":"/api/v1/links/:code"`, `"status":4`, `"key":"key_reader"`, `"took":`} {
		if !strings.Contains(line, want) {
			t.Errorf("line is %s, want %s in it", line, want)
		}
	}
	if strings.Count(line, "\n") != 1 || strings.Contains(line, reader) || strings.Contains(line, "some-code") {
		t.Errorf("log is %s", line)
	}
}

func TestMetricsAreByRouteAndNotByPath(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.get(fmt.Sprintf("/api/v1/links/c%d", i))
		w.get(fmt.Sprintf("/api/v1/nothing/%d", i))
		w.call(fmt.Sprintf("M%d", i), "/api/v1/links", reader, "")
	}
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 1 || families[0].GetName() != "snowlink_api_request_seconds" || families[0].GetType() != dto.MetricType_HISTOGRAM {
		t.Fatalf("families are %v", families)
	}
	if n := len(families[0].GetMetric()); n != 3 {
		t.Errorf("there are %d series, want 3: %v", n, families[0].GetMetric())
	}
}

func TestAnswersAreNotKeptNorSniffed(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/me", "/api/v1/nothing", "/api/v1/links/x"} {
		w.call(http.MethodGet, path, reader, "").header("X-Content-Type-Options", "nosniff").header("Cache-Control", "no-store")
	}
}

func TestAKeyMayHaveALimitOfItsOwn(t *testing.T) {
	w := newWorld(t)
	made := decode[api.NewKey](w.call("POST", "/api/v1/keys", owner, `{"name":"slow","role":"reader","limit":{"rate":0.5,"burst":2}}`).status(201))
	if made.Limit == nil || *made.Limit != (api.KeyLimit{Rate: 0.5, Burst: 2}) {
		t.Fatalf("limit is %+v", made.Limit)
	}
	for range 2 {
		w.call("GET", "/api/v1/me", made.Secret, "").status(200)
	}
	w.call("GET", "/api/v1/me", made.Secret, "").header("Retry-After", "2").problem(429, "limited")
	w.get("/api/v1/me").status(200) // others are not concerned
	w.pass(2 * time.Second)
	if me := decode[api.Key](w.call("GET", "/api/v1/me", made.Secret, "").header("RateLimit-Policy", `"key";q=2;w=4`).status(200)); me.Limit == nil {
		t.Error("the limit is not told")
	}
	for _, limit := range []string{`{"rate":0,"burst":1}`, `{"rate":1}`, `{"rate":1,"burst":0}`, `{"rate":-1,"burst":1}`, `"fast"`} {
		w.call("POST", "/api/v1/keys", owner, `{"name":"x","role":"reader","limit":`+limit+`}`).problem(422, "invalid-value")
	}
}
