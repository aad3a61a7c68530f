package edge

import (
	"fmt"
	"testing"
	"time"

	"snowlink/shortener"
)

func TestLookupsInOrder(t *testing.T) {
	w := start(t, nil, link("abc", "https://example.com/"))
	for range 3 {
		w.wantStatus(w.get("/abc"), 302)
	}
	if s, a := w.shards.calls(), w.api.calls(); s != 1 || a != 0 {
		t.Errorf("asked shard %d times, api %d times; want 1, 0: memory answers the others", s, a)
	}
}

func TestAShardThatWasSlowOnceIsAskedAgainWhenNobodyElseAnswers(t *testing.T) {
	w := start(t, nil, link("abc", "https://example.com/"))
	w.api.setDown(true)
	w.shards.slow = 1
	w.wantStatus(w.get("/abc"), 302)
	if n := w.shards.calls(); n != 2 {
		t.Errorf("the shard was asked %d times, want 2", n)
	}
}

func TestAShardThatMissesIsNotBelieved(t *testing.T) {
	w := start(t, nil)
	w.api.put(link("abc", "https://example.com/"))
	w.wantStatus(w.get("/abc"), 302)
}

func TestAShardThatAnswersAnotherQuestionIsNotBelieved(t *testing.T) {
	w := start(t, nil)
	w.shards.records[shortener.Ref{Code: "abc"}] = link("other", "https://wrong.example/")
	w.api.put(link("abc", "https://example.com/"))
	if got := w.get("/abc").Header.Get("Location"); got != "https://example.com/" {
		t.Errorf("Location = %q, want the api's", got)
	}
}

func TestRedirectsOutliveEverythingBehindThem(t *testing.T) {
	w := start(t, nil, link("hot", "https://example.com/"), link("cold", "https://example.com/"))
	w.wantStatus(w.get("/hot"), 302)
	w.shards.setDown(true)
	w.clock.advance(time.Minute)
	w.wantStatus(w.get("/cold"), 302) // by way of the api
	w.api.setDown(true)
	w.clock.advance(time.Hour)
	w.wantStatus(w.get("/hot"), 302)
	w.wantStatus(w.get("/cold"), 302)

	resp := w.get("/never-seen")
	w.wantStatus(resp, 503)
	if got := resp.Header.Get("Retry-After"); got == "" {
		t.Error("503 without Retry-After")
	}
}

func TestAnUnknownCodeIsAskedForOnce(t *testing.T) {
	w := start(t, nil)
	for range 5 {
		w.wantStatus(w.get("/abc"), 404)
	}
	if n := w.api.calls(); n != 1 {
		t.Errorf("the api was asked %d times, want 1", n)
	}
	w.clock.advance(10 * time.Second)
	w.get("/abc")
	if n := w.api.calls(); n != 2 {
		t.Errorf("the api was asked %d times after the negative entry had expired, want 2", n)
	}
}

func TestInvalidationDropsNegativeEntries(t *testing.T) {
	w := start(t, nil)
	w.wantStatus(w.get("/abc"), 404)
	w.api.put(link("abc", "https://example.com/"))
	w.wantStatus(w.get("/abc"), 404)
	w.Invalidate(shortener.Ref{Code: "abc"})
	w.wantStatus(w.get("/abc"), 302)
}

func TestAnEditIsSeenAfterItsInvalidation(t *testing.T) {
	w := start(t, nil, link("abc", "https://old.example/"), link("def", "https://old.example/"))
	w.get("/abc")
	w.get("/def")
	w.shards.put(link("abc", "https://new.example/"), link("def", "https://new.example/"))
	w.Invalidate(shortener.Ref{Code: "abc"})
	if got := w.get("/abc").Header.Get("Location"); got != "https://new.example/" {
		t.Errorf("after Invalidate: Location = %q", got)
	}
	if got := w.get("/def").Header.Get("Location"); got != "https://old.example/" {
		t.Errorf("not invalidated: Location = %q", got)
	}
	w.ExpireAll()
	if got := w.get("/def").Header.Get("Location"); got != "https://new.example/" {
		t.Errorf("after ExpireAll: Location = %q", got)
	}
}

func TestUnknownIsNeverSaidForWantOfAnAnswer(t *testing.T) {
	w := start(t, nil)
	w.wantStatus(w.get("/abc"), 404)
	w.api.setDown(true)
	w.clock.advance(11 * time.Second)
	w.wantStatus(w.get("/abc"), 503)
	w.ExpireAll()
	w.wantStatus(w.get("/abc"), 503)
}

func TestFloodOfUnknownCodes(t *testing.T) {
	w := start(t, nil, link("hot", "https://example.com/"), link("cold", "https://example.com/"))
	w.api.put(link("lost", "https://example.com/")) // by its shard
	w.get("/hot")
	for i := range 200 {
		w.wantStatus(w.get(fmt.Sprintf("/x%d", i)), 404)
	}
	for i := range 50 {
		resp := w.get(fmt.Sprintf("/y%d", i))
		w.wantStatus(resp, 429)
		if resp.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	w.wantStatus(w.get("/x1"), 429) // known to be unknown
	for _, path := range []string{"/hot", "/cold", "/lost"} {
		w.wantStatus(w.get(path), 302) // who is limited still gets what there is
	}
	w.wantStatus(w.ask("198.51.100.1", "GET", "/y1"), 404)
	w.clock.advance(time.Second)
	w.wantStatus(w.get("/y1"), 404)
}
