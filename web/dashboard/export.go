package dashboard

import "net/http"

// export answers with a file of the REST interface.
func (d *Dashboard) export(w http.ResponseWriter, r *http.Request, v *visit) error {
	return v.passOn(w, r, "/clicks/export")
}

// events answers with the stream of clicks.
func (d *Dashboard) events(w http.ResponseWriter, r *http.Request, v *visit) error {
	return v.passOn(w, r, "/clicks/stream")
}

// passOn has the REST interface answer the visitor itself.
func (c client) passOn(w http.ResponseWriter, r *http.Request, path string) error {
	call, err := c.newRequest(r.Context(), http.MethodGet, path, r.URL.Query(), http.NoBody)
	if err != nil {
		return err
	}
	c.api.ServeHTTP(w, call)
	return nil
}
