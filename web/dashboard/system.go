package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"snowlink/web/api"
)

// systemScreen is the screen on which the service itself is seen, and who may use it.
type systemScreen struct {
	Shards panel[api.Shards]
	Keys   panel[keyList]
	Made   *madeKey // a key that was made just now: it is shown once
}

type keyList struct {
	Keys []api.Key `json:"keys"`
}

type madeKey struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Key  string `json:"key"`
}

func (d *Dashboard) system(w http.ResponseWriter, r *http.Request, v *visit) error {
	return d.showSystem(w, r, v, http.StatusOK, nil)
}

func (d *Dashboard) showSystem(w http.ResponseWriter, r *http.Request, v *visit, status int, made *madeKey) error {
	body := systemScreen{Made: made}
	body.Shards.load(r.Context(), v.client, "/shards", nil)
	if v.IsOwner() {
		body.Keys.load(r.Context(), v.client, "/keys", nil)
	}
	d.write(w, r, status, "system", v.T("System"), "system", v, body)
	return nil
}

func (d *Dashboard) createKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	if _, err := postedLink(w, r); err != nil {
		return err
	}
	order := map[string]any{"name": strings.TrimSpace(r.PostFormValue("name")), "role": r.PostFormValue("role")}
	var made madeKey
	if err := v.call(r.Context(), http.MethodPost, "/keys", nil, order, &made); err != nil {
		return err
	}
	return d.showSystem(w, r, v, http.StatusCreated, &made)
}

func (d *Dashboard) revokeKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := v.call(r.Context(), http.MethodDelete, "/keys/"+url.PathEscape(r.PathValue("id")), nil, nil, nil); err != nil {
		return err
	}
	http.Redirect(w, r, "/app/system", http.StatusSeeOther)
	return nil
}
