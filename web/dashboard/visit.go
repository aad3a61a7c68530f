package dashboard

import (
	"errors"
	"net/http"
	"net/url"

	"snowlink/web/api"
)

// screen answers a request of somebody who is logged in. An error becomes a page that says what went wrong.
type screen func(w http.ResponseWriter, r *http.Request, v *visit) error

// visit is what a screen knows of who asks.
type visit struct {
	client
	locale
	Me   api.Key
	Path string // of this page, with its query
}

// CanEdit reports whether the visitor may change links.
func (v *visit) CanEdit() bool { return v.Me.Role == "editor" || v.Me.Role == "owner" }

// IsOwner reports whether the visitor may do everything.
func (v *visit) IsOwner() bool { return v.Me.Role == "owner" }

// withSession lets those pass who are logged in, and leads the others to the login and back.
func (d *Dashboard) withSession(next screen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one, err := d.sessions.of(r)
		if err != nil {
			toLogin(w, r)
			return
		}
		v := d.visitOf(r, one.Key)
		if err = v.get(r.Context(), "/me", nil, &v.Me); err == nil {
			err = d.sessions.rotate(w, r, one)
		}
		if err == nil {
			err = next(w, r, v)
		}
		if problem, ok := errors.AsType[*api.Problem](err); ok && problem.Status == http.StatusUnauthorized {
			d.sessions.end(w, r)
			toLogin(w, r)
			return
		}
		if err != nil {
			d.fail(w, r, v, err)
		}
	})
}

func (d *Dashboard) visitOf(r *http.Request, key string) *visit {
	return &visit{client: client{api: d.config.API, key: key, request: r}, locale: localeOf(r), Path: r.URL.RequestURI()}
}

// toLogin remembers where the visitor wanted to go. What was sent by a form is lost otherwise, so a form is led
// back to its page.
func toLogin(w http.ResponseWriter, r *http.Request) {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		next = "/app/"
	}
	target := "/app/login?next=" + url.QueryEscape(next)
	if r.Header.Get("Hx-Request") != "" { // the whole page is to change, not the part that was asked for
		w.Header().Set("Hx-Redirect", target)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// fail answers with a page that tells of err.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		d.log.Error("a page of the dashboard failed", "path", r.URL.Path, "error", err)
		problem = &api.Problem{Status: http.StatusInternalServerError, Title: "Internal Server Error", Detail: "Something went wrong here. It is in the log."}
	}
	d.write(w, r, problem.Status, "error", v.T("Something is not right"), "", v, problem)
}

func (d *Dashboard) notFound(http.ResponseWriter, *http.Request, *visit) error {
	return &api.Problem{Status: http.StatusNotFound, Title: "Not Found", Detail: "There is no such page."}
}

// Statuses are those that links may be listed by.
func (v *visit) Statuses() []string {
	return []string{"active", "scheduled", "expired", "disabled", "deleted"}
}

// Ranges are those to choose from.
func (v *visit) Ranges() []string { return ranges }
