package dashboard_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"snowlink/web/api"
)

func form(change ...string) url.Values {
	f := url.Values{"version": {"0"}, "url": {"https://example.com/"}, "title": {""}, "note": {""}, "tags": {"sale"}, "expires_at": {""}, "fallback_url": {""}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

func TestALinkIsShownWithItsHistory(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.see("/app/links/spring?domain=sho.rt", `value="https://example.com/"`, `src="/app/links/spring/qr.svg?domain=sho.rt"`, "link.created", "Target: https://example.com/")
}

func TestOnlyWhatAFormChangesIsChanged(t *testing.T) {
	for want, f := range map[string]url.Values{
		`{"title":"New"}`:                       form("title", "New"),
		`{"tags":["a","b"]}`:                    form("tags", "a, b"),
		`{"tags":[]}`:                           form("tags", ""),
		`{"status":"disabled"}`:                 form("disabled", "on"),
		`{"expires_at":"2027-01-02T03:04:00Z"}`: form("expires_at", "2027-01-02T03:04"),
		`{}`:                                    form(),
	} {
		b := newBrowser(t)
		b.login()
		w := b.open("POST", "/app/links/spring?domain=sho.rt", f)
		if w.Code != 303 || w.Header().Get("Location") != "/app/links/spring?domain=sho.rt&saved=1" {
			t.Errorf("%s: %d, to %q", want, w.Code, w.Header().Get("Location"))
		}
		i := slices.IndexFunc(b.rest.calls, func(r *http.Request) bool { return r.Method == "PATCH" })
		if got := b.rest.bodies[i]; got != want || b.rest.calls[i].Header.Get("If-Match") != `"v0"` {
			t.Errorf("the change is %s if %s, want %s", got, b.rest.calls[i].Header.Get("If-Match"), want)
		}
	}
}

func TestWhatSomebodyElseHasChangedIsNotOverwritten(t *testing.T) {
	b := newBrowser(t)
	b.login()
	b.rest.answers["PATCH /links/spring"] = &api.Problem{Status: 412, Title: "Precondition Failed", Detail: "The link has changed."}
	w := b.open("POST", "/app/links/spring?domain=sho.rt", form("title", "Typed"))
	if body := w.Body.String(); w.Code != 412 || !strings.Contains(body, `value="Typed"`) || !strings.Contains(body, "The link has changed.") {
		t.Errorf("got %d:\n%s", w.Code, body)
	}
}

func TestFormsThatCannotBeReadAreRefused(t *testing.T) {
	b := newBrowser(t)
	b.login()
	for status, f := range map[int]url.Values{400: form("version", "x"), 422: form("expires_at", "tomorrow")} {
		if w := b.open("POST", "/app/links/spring", f); w.Code != status {
			t.Errorf("%v: %d, want %d", f, w.Code, status)
		}
	}
	if slices.ContainsFunc(b.rest.calls, func(r *http.Request) bool { return r.Method == "PATCH" }) {
		t.Error("something was changed")
	}
}
