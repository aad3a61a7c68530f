package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"snowlink/web/api"
)

func TestTheLiveScreenShowsTheLastHalfHourAndFollowsWhatComes(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.see("/app/live", `data-live="/app/live/events"`, "4 clicks of people")
	asked := b.rest.asked("/analytics/timeseries")[0].URL.Query()
	if asked.Get("from") != "2026-11-23T11:30:00Z" || asked.Get("to") != "2026-11-23T12:01:00Z" || asked.Get("interval") != "minute" {
		t.Errorf("the series was asked for with %v", asked)
	}
	b.rest.answers["/clicks/stream"] = "the stream"
	if w := b.open("GET", "/app/live/events?country=GB", nil, "Last-Event-ID", "17.a-1"); !strings.Contains(w.Body.String(), "the stream") {
		t.Errorf("events: %d %s", w.Code, w.Body)
	}
	if r := b.rest.asked("/clicks/stream")[0]; r.URL.Query().Get("country") != "GB" || r.Header.Get("Last-Event-ID") != "17.a-1" {
		t.Errorf("the stream was asked for with %v, %v", r.URL, r.Header)
	}
}

func TestTheSystemScreenShowsShardsAndKeys(t *testing.T) {
	b := newBrowser(t)
	b.login()
	keys := int64(1234)
	b.rest.answers["/shards"] = api.Shards{Epoch: 7, Slots: 16384, Shards: []api.Shard{{Name: "a", Slots: 8192, Keys: &keys, Verified: true, State: "member"}, {Name: "b", Error: "it does not answer"}}}
	b.rest.answers["/keys"] = api.KeyList{Keys: []api.Key{{ID: "key_1", Name: "first"}, {ID: "key_2", Name: "second"}}}
	page := b.see("/app/system", "Membership 7", "1,234", "it does not answer", `action="/app/keys/key_2/revoke"`)
	if strings.Contains(page, `action="/app/keys/key_1/revoke"`) {
		t.Error("the key of this session can be revoked")
	}
	b.rest.answers["POST /keys"] = map[string]string{"name": "third", "key": "slk_shown_once"}
	if w := b.open("POST", "/app/keys", url.Values{"name": {"third"}, "role": {"reader"}}); w.Code != 201 || !strings.Contains(w.Body.String(), "slk_shown_once") {
		t.Errorf("a new key: %d\n%s", w.Code, w.Body)
	}
	b.rest.answers["DELETE /keys/key_2"] = nil
	if w := b.open("POST", "/app/keys/key_2/revoke", url.Values{}); w.Code != 303 {
		t.Errorf("revoke: %d", w.Code)
	}
}

func TestWhoMayOnlyReadIsOfferedNothingElse(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.rest.answers["/me"] = api.Key{ID: "key_2", Name: "second", Role: "reader"}
	for path, forbidden := range map[string]string{"/app/": `action="/app/links"`, "/app/system": `action="/app/keys"`} {
		if page := b.see(path); strings.Contains(page, forbidden) {
			t.Errorf("%s has %s for a reader", path, forbidden)
		}
	}
}

func TestAssetsAreKeptForEverAndPacked(t *testing.T) {
	b := newBrowser(t)
	page := b.see("/app/login")
	for _, ext := range []string{".css", ".js"} {
		end := strings.Index(page, ext+`"`) + len(ext)
		path := page[strings.LastIndex(page[:end], `"`)+1 : end]
		w := b.open("GET", path, nil, "Accept-Encoding", "gzip, br")
		if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %v", path, w.Code, w.Header())
		}
	}
	if w := b.open("GET", "/app/static/nothing.css", nil); w.Code != http.StatusNotFound {
		t.Errorf("an unknown asset: %d", w.Code)
	}
}
