package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	goqr "github.com/piglig/go-qr"

	"snowlink/shortener"
	"snowlink/web/api"
)

func TestALinkIsMadeAndShownWithEveryMember(t *testing.T) {
	w := newWorld(t)
	made := w.post("/api/v1/links", `{"url":"https://example.com/a?b=c","code":"spring","title":"Spring","note":"n","tags":["b","a"],
		"starts_at":"2026-11-24T00:00:00+01:00","expires_at":"2027-01-01T00:00:00Z","redirect_status":307,"forward_query":true,
		"fallback_url":"https://example.com/over","max_clicks":null,"password":null,"rules":[]}`).status(201)
	made.header("Location", "/api/v1/links/spring").header("ETag", `"v1"`).header("Content-Type", "application/json").header("Cache-Control", "no-store")
	shown := w.get("/api/v1/links/spring").status(200).header("ETag", `"v1"`)
	if !bytes.Equal(made.body, shown.body) {
		t.Errorf("shown is %s, want as made %s", shown.body, made.body)
	}
	var got map[string]any
	if err := json.Unmarshal(made.body, &got); err != nil {
		t.Fatal(err)
	}
	if id, ok := got["id"].(string); !ok || id == "" {
		t.Errorf("id is %v", got["id"])
	}
	delete(got, "id")
	want := `{"clicks":{"bots":0,"humans":0,"total":0},"code":"spring","created_at":"2026-11-23T12:00:00Z","created_by":"key_editor","domain":"sho.rt","expires_at":"2027-01-01T00:00:00Z","fallback_url":"https://example.com/over","forward_query":true,"has_password":false,"max_clicks":null,"note":"n","redirect_status":307,"rules":[],"short_url":"https://sho.rt/spring","starts_at":"2026-11-23T23:00:00Z","status":"scheduled","tags":["a","b"],"title":"Spring","updated_at":"2026-11-23T12:00:00Z","url":"https://example.com/a?b=c","version":1}`
	if text, _ := json.Marshal(got); string(text) != want {
		t.Errorf("link is\n%s, want\n%s", text, want)
	}
}

func TestAGeneratedCodeHasEightCharacters(t *testing.T) {
	l := newWorld(t).make(`{"url":"https://example.com/","code":null}`)
	if len(l.Code) != 8 || l.ShortURL != "https://sho.rt/"+l.Code {
		t.Errorf("code is %q and short_url %q", l.Code, l.ShortURL)
	}
}

func TestALinkOfAnotherDomainIsFoundInThatDomainAlone(t *testing.T) {
	w := newWorld(t)
	made := w.post("/api/v1/links", `{"url":"https://example.com/","code":"x","domain":"GO.example.org"}`).status(201)
	made.header("Location", "/api/v1/links/x?domain=go.example.org")
	equal(t, "short_url", decode[api.Link](made).ShortURL, "https://go.example.org/x")
	w.get("/api/v1/links/x").problem(404, "not-found")
	w.get("/api/v1/links/x?domain=go.example.org").status(200)
	w.post("/api/v1/links", `{"url":"https://example.com/","code":"x","domain":"sho.rt"}`).status(201)
}

func TestARepeatedCreateMakesOneLink(t *testing.T) {
	w := newWorld(t)
	first := w.post("/api/v1/links", `{"url":"https://example.com/","expires_at":"2026-11-23T14:00:00Z"}`, "Idempotency-Key", "k1").status(201)
	first.header("Idempotent-Replayed", "")
	w.clicks.add(click(decode[api.Link](first).Code, noon))
	w.pass(time.Hour)
	again := w.post("/api/v1/links", ` {"expires_at":"2026-11-23T14:00:00Z", "url":"https://example.com/"}`, "Idempotency-Key", "k1").status(201)
	again.header("Idempotent-Replayed", "true").header("ETag", first.Header.Get("ETag")).header("Location", first.Header.Get("Location"))
	if !bytes.Equal(first.body, again.body) {
		t.Errorf("the repetition is %s, want %s", again.body, first.body)
	}
	equal(t, "number of links", len(w.store.links), 1)
	p := w.post("/api/v1/links", `{"url":"https://example.com/other"}`, "Idempotency-Key", "k1").problem(422, "idempotency-key-reused")
	equal(t, "location", p.Errors[0].Location, "header.Idempotency-Key")
	// Another caller's key of the same name is another key.
	w.call("POST", "/api/v1/links", owner, `{"url":"https://example.com/other"}`, "Idempotency-Key", "k1").status(201)
}

func TestAPatchChangesWhatIsGivenAndNullTakesAway(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x","title":"t","note":"n","tags":["a"],"expires_at":"2027-01-01T00:00:00Z","redirect_status":301,"fallback_url":"https://example.com/f","forward_query":true}`)
	patch := func(body string) api.Link {
		t.Helper()
		return decode[api.Link](w.call("PATCH", "/api/v1/links/x", editor, body).status(200))
	}
	l := patch(`{"title":"other"}`)
	if l.Title != "other" || l.Note != "n" || l.RedirectStatus != 301 || l.ExpiresAt == nil || l.Version != 2 {
		t.Errorf("link is %+v", l)
	}
	equal(t, "version after an empty patch", patch(`{}`).Version, 2)
	l = patch(`{"title":null,"note":null,"tags":null,"expires_at":null,"redirect_status":null,"fallback_url":null,"forward_query":null}`)
	if l.Title != "" || l.Note != "" || len(l.Tags) > 0 || l.ExpiresAt != nil || l.RedirectStatus != 302 || l.FallbackURL != nil || l.ForwardQuery || l.Version != 3 {
		t.Errorf("link is %+v", l)
	}
	equal(t, "status", patch(`{"status":"disabled"}`).Status, "disabled")
	equal(t, "status", patch(`{"status":"active"}`).Status, "active")
	w.call("PATCH", "/api/v1/links/x", editor, `{"title":"merge"}`, "Content-Type", "application/merge-patch+json").status(200)
}

func TestIfMatch(t *testing.T) {
	for name, c := range map[string]struct {
		ifMatch string
		want    int
	}{
		"none":                        {"", 200},
		"any":                         {"*", 200},
		"the version":                 {`"v2"`, 200},
		"the version among others":    {`"v1", "v2"`, 200},
		"an older version":            {`"v1"`, 412},
		"a weak tag is never equal":   {`W/"v2"`, 412},
		"a tag of something else":     {`"686897696a7c876b7e"`, 412},
		"a number that is no tag":     {`2`, 412},
		"a version written otherwise": {`"v02"`, 412},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.make(`{"url":"https://example.com/","code":"x"}`)
			w.call("PATCH", "/api/v1/links/x", editor, `{"title":"2"}`).status(200)
			for _, change := range []struct{ method, path, body string }{
				{"PATCH", "/api/v1/links/x", `{"title":"3"}`}, {"DELETE", "/api/v1/links/x", ""}, {"POST", "/api/v1/links/x/restore", ""},
			} {
				a := w.call(change.method, change.path, editor, change.body, "If-Match", c.ifMatch)
				if c.want == 412 {
					a.problem(412, "version-conflict")
				} else if change.method == "PATCH" {
					a.status(200).header("ETag", `"v3"`)
					return
				}
			}
		})
	}
}

func TestIfMatchOfALinkThatNeverWas(t *testing.T) {
	newWorld(t).call("PATCH", "/api/v1/links/nowhere", editor, `{}`, "If-Match", "*").problem(404, "not-found")
}

func TestADeletedLinkIsATombstoneAndComesBack(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	a := w.call("DELETE", "/api/v1/links/x", editor, "").status(204)
	equal(t, "length of the body", len(a.body), 0)
	equal(t, "status", decode[api.Link](w.get("/api/v1/links/x").status(200)).Status, "deleted")
	w.call("DELETE", "/api/v1/links/x", editor, "").problem(410, "gone")
	w.call("PATCH", "/api/v1/links/x", editor, `{"title":"t"}`).problem(410, "gone")
	w.post("/api/v1/links", `{"url":"https://example.com/","code":"x"}`).problem(409, "code-taken")
	equal(t, "links in the list", len(decode[api.LinkPage](w.get("/api/v1/links")).Links), 0)
	equal(t, "deleted links in the list", len(decode[api.LinkPage](w.get("/api/v1/links?status=deleted")).Links), 1)
	l := decode[api.Link](w.post("/api/v1/links/x/restore", "").status(200).header("ETag", `"v3"`))
	equal(t, "status", l.Status, "active")
}

func TestHistoryTellsWhoChangedWhatAndWhen(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/1","code":"x"}`)
	w.pass(time.Minute)
	w.call("PATCH", "/api/v1/links/x", owner, `{"url":"https://example.com/2"}`).status(200)
	h := decode[api.LinkHistory](w.get("/api/v1/links/x/history").status(200))
	if len(h.Events) != 2 {
		t.Fatalf("there are %d events, want 2", len(h.Events))
	}
	first, second := h.Events[0], h.Events[1]
	if first.Type != "link.created" || first.Before != nil || first.Actor != "key_editor" || first.After.URL != "https://example.com/1" {
		t.Errorf("first event is %+v", first)
	}
	if second.Type != "link.edited" || second.Actor != "key_owner" || second.Before.URL != "https://example.com/1" ||
		second.After.URL != "https://example.com/2" || !second.At.Equal(noon.Add(time.Minute)) || second.Version != 2 {
		t.Errorf("second event is %+v", second)
	}
	w.get("/api/v1/links/nowhere/history").problem(404, "not-found")
}

func TestAListIsWalkedPageByPageOnceOver(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.make(fmt.Sprintf(`{"url":"https://example.com/","code":"c%d","tags":["t"]}`, i))
		if i%2 == 0 { // some are of the same instant
			w.pass(time.Second)
		}
	}
	for _, limit := range []int{1, 2, 3, 7, 8} {
		var codes []string
		path := fmt.Sprintf("/api/v1/links?tag=t&limit=%d", limit)
		for pages := 1; ; pages++ {
			page := decode[api.LinkPage](w.get(path).status(200))
			for _, l := range page.Links {
				codes = append(codes, l.Code)
			}
			if page.NextCursor == nil {
				equal(t, fmt.Sprintf("pages of %d", limit), pages, (7+limit-1)/limit)
				break
			}
			path = fmt.Sprintf("/api/v1/links?limit=%d&tag=t&cursor=%s", limit, *page.NextCursor)
		}
		equal(t, fmt.Sprintf("codes by %d", limit), strings.Join(codes, " "), "c6 c5 c4 c3 c2 c1 c0")
	}
}

func TestAListIsFiltered(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"a","title":"spring sale"}`)
	w.make(`{"url":"https://example.com/","code":"b","expires_at":"2026-11-23T12:00:01Z"}`)
	w.make(`{"url":"https://example.com/","code":"c","domain":"go.example.org","tags":["t"]}`)
	w.pass(time.Second)
	for query, want := range map[string]string{
		"":                      "c b a",
		"q=spring":              "a",
		"tag=t":                 "c",
		"status=expired":        "b",
		"status=active":         "c a",
		"domain=go.example.org": "c",
		"domain=sho.rt":         "b a",
		"sort=-updated_at":      "c b a",
		"tag=none":              "",
	} {
		var codes []string
		for _, l := range decode[api.LinkPage](w.get("/api/v1/links?" + query).status(200)).Links {
			codes = append(codes, l.Code)
		}
		equal(t, query, strings.Join(codes, " "), want)
	}
	if body := string(w.get("/api/v1/links?tag=none").body); body != `{"links":[],"next_cursor":null}`+"\n" {
		t.Errorf("an empty list is %s", body)
	}
}

func TestLinksAreShownWithTheirClicksAndWithoutThemWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	w.clicks.add(click("x", noon), click("x", noon, func(c *shortener.StoredClick) { c.Bot = "search" }), click("y", noon))
	l := decode[api.Link](w.get("/api/v1/links/x"))
	if l.Clicks == nil || *l.Clicks != (api.LinkClicks{Total: 2, Humans: 1, Bots: 1}) {
		t.Errorf("clicks are %+v", l.Clicks)
	}
	w.clicks.setDown(errClicksDown)
	if l := decode[api.LinkPage](w.get("/api/v1/links").status(200)).Links[0]; l.Clicks != nil {
		t.Errorf("clicks are %+v, want null", l.Clicks)
	}
	w.post("/api/v1/links", `{"url":"https://example.com/"}`).status(201)
}

func TestABatchCostsAsManyCallsAsItHasLinks(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.KeyRate, c.Limits.KeyBurst = 1, 5 })
	batch := func(n int) *answer {
		links := strings.Repeat(`,{"url":"https://example.com/"}`, n)
		return w.post("/api/v1/links/batch", `{"links":[`+links[1:]+`]}`)
	}
	batch(3).status(200).header("RateLimit", `"key";r=2;t=3`)
	batch(3).header("RateLimit", `"key";r=1;t=1`).header("Retry-After", "1").problem(429, "limited")
	if made := decode[api.LinkPage](w.call("GET", "/api/v1/links", reader, "").status(200)).Links; len(made) != 3 {
		t.Errorf("got %d links, want the 3 of the first batch", len(made))
	}
	w.pass(time.Minute)
	batch(6).header("Retry-After", "").problem(429, "limited") // which no wait would change
}

func TestABatchMakesTheGoodOnesAndTellsOfTheOthers(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"taken"}`)
	a := w.post("/api/v1/links/batch", `{"links":[
		{"url":"https://example.com/1","code":"one"},
		{"url":"javascript:alert(1)"},
		{"url":"https://example.com/","code":"taken"},
		{"code":"no-url"},
		{"url":"https://example.com/","colour":"red"},
		7, null,
		{"url":"https://example.com/","tags":"not an array"},
		{"url":"https://example.com/","password":"p","redirect_status":302},
		{"url":"https://example.com/2"}]}`).status(200)
	results := decode[api.BatchResults](a).Results
	want := []struct {
		status         int
		slug, location string
	}{
		{201, "", ""},
		{422, "invalid-url", "body.links[1].url"},
		{409, "code-taken", ""},
		{422, "invalid-value", "body.links[3]"},
		{422, "invalid-value", "body.links[4].colour"},
		{422, "invalid-value", "body.links[5]"},
		{422, "invalid-value", "body.links[6]"},
		{422, "invalid-value", "body.links[7].tags"},
		{422, "not-supported-yet", "body.links[8].password"},
		{201, "", ""},
	}
	if len(results) != len(want) {
		t.Fatalf("there are %d results, want %d: %s", len(results), len(want), a.body)
	}
	for i, r := range results {
		if r.Index != i || r.Status != want[i].status || (r.Status == 201) != (r.Link != nil) || (r.Status == 201) != (r.Problem == nil) {
			t.Errorf("result %d is %+v, want %+v", i, r, want[i])
			continue
		}
		if r.Problem == nil {
			continue
		}
		equal(t, fmt.Sprintf("type of %d", i), r.Problem.Type, "/api/problems/"+want[i].slug)
		if want[i].location != "" && (len(r.Problem.Errors) == 0 || r.Problem.Errors[0].Location != want[i].location) {
			t.Errorf("errors of %d are %+v, want one at %s", i, r.Problem.Errors, want[i].location)
		}
	}
	w.get("/api/v1/links/one").status(200)
}

func TestABatchRepeatedMakesNothingTwice(t *testing.T) {
	w := newWorld(t)
	body := `{"links":[{"url":"https://example.com/"},{"url":"https://example.com/"}]}`
	first := w.post("/api/v1/links/batch", body, "Idempotency-Key", "k")
	again := w.post("/api/v1/links/batch", body, "Idempotency-Key", "k").status(200)
	if !bytes.Equal(first.body, again.body) {
		t.Errorf("the repetition is %s, want %s", again.body, first.body)
	}
	equal(t, "number of links", len(w.store.links), 2)
}

func TestALargeBatchIsTaken(t *testing.T) {
	w := newWorld(t)
	long := `{"url":"https://example.com/?` + strings.Repeat("x", 8000) + `"},` // together more than the 1 MiB of other calls
	body := `{"links":[` + strings.Repeat(long, 200) + strings.Repeat(`{"url":"https://example.com/"},`, 799) + `{"url":"https://example.com/"}]}`
	a := w.post("/api/v1/links/batch", body).status(200)
	equal(t, "number of results", len(decode[api.BatchResults](a).Results), 1000)
	equal(t, "number of links", len(w.store.links), 1000)
}

func TestTheQRCodeLeadsToTheShortURLAndIsToldApart(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	a := w.get("/api/v1/links/x/qr.png?size=600").status(200).header("Content-Type", "image/png")
	image, err := png.Decode(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if width := image.Bounds().Dx(); width < 600 || width > 700 {
		t.Errorf("width is %d, want 600 or little more", width)
	}
	text, err := goqr.Decode(image)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "text", text, "https://sho.rt/x?qr=1")
	svg := w.get("/api/v1/links/x/qr.svg").status(200).header("Content-Type", "image/svg+xml")
	if !bytes.Contains(svg.body, []byte("<svg")) {
		t.Errorf("svg is %.100s", svg.body)
	}
	w.get("/api/v1/links/nowhere/qr.svg").problem(404, "not-found")
}

func TestALinkMayBeCalledAsAPartOfTheInterface(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"batch"}`)
	w.get("/api/v1/links/batch").status(200)
	w.call("DELETE", "/api/v1/links/batch", editor, "").status(204)
	w.post("/api/v1/links/batch/restore", "").status(200)
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	w.call(http.MethodHead, "/api/v1/links/x", reader, "").status(200).header("ETag", `"v1"`)
}

func TestWithTheEventStoreDownNothingIsMadeUp(t *testing.T) {
	w := newWorld(t)
	w.make(`{"url":"https://example.com/","code":"x"}`)
	w.get("/api/v1/links/x").status(200) // both keys are known now
	w.store.setDown(errDown)
	w.pass(time.Minute)
	w.post("/api/v1/links", `{"url":"https://example.com/"}`).header("Retry-After", "5").problem(503, "unavailable")
	w.get("/api/v1/links/x").problem(503, "unavailable")
	w.get("/api/v1/links").problem(503, "unavailable")
	w.get("/api/v1/analytics/summary").status(200)
	w.get("/api/v1/analytics/summary?code=x").status(200)
	w.call("GET", "/api/v1/me", owner, "").problem(503, "unavailable") // this one is not
}
