package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"snowlink/web/api"
)

// loginForm is what the page of the login shows.
type loginForm struct {
	Next  string
	Fault string
}

func (d *Dashboard) showLogin(w http.ResponseWriter, r *http.Request) {
	v := d.visitOf(r, "")
	d.write(w, r, http.StatusOK, "login", v.T("Log in"), "", v, loginForm{Next: localPath(r.URL.Query().Get("next"))})
}

// login begins a session for a key that the REST interface knows.
func (d *Dashboard) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	next := localPath(r.PostFormValue("next"))
	v := d.visitOf(r, strings.TrimSpace(r.PostFormValue("key")))
	err := v.get(r.Context(), "/me", nil, nil)
	if err == nil {
		err = d.sessions.begin(w, r, v.key)
	}
	if err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		d.fail(w, r, v, err)
		return
	}
	d.write(w, r, problem.Status, "login", v.T("Log in"), "", v, loginForm{Next: next, Fault: problem.Detail})
}

func (d *Dashboard) logout(w http.ResponseWriter, r *http.Request) {
	d.sessions.end(w, r)
	http.Redirect(w, r, "/app/login", http.StatusSeeOther)
}

// localPath returns address if it is one of the dashboard's own pages, and the first page otherwise: nobody is to
// be led elsewhere by a link to the login.
func localPath(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path.Clean(u.Path)+"/", "/app/") || strings.Contains(address, `\`) {
		return "/app/"
	}
	return u.RequestURI()
}
