package dashboard

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// pages are the templates of the screens, each within the layout.
type pages struct {
	byName map[string]*template.Template
}

// newPages reads templates/layout.html and parts/*.html, and each templates/*.html as a page of that name.
func newPages(files fs.FS, static *assets) (*pages, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"asset": static.address,
		"args":  func(all ...any) []any { return all }, // for templates that need more than one
	}).
		ParseFS(files, "templates/layout.html", "templates/parts/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := &pages{byName: map[string]*template.Template{}}
	for _, name := range names {
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(files, name)
		}
		if err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
		p.byName[strings.TrimSuffix(path.Base(name), ".html")] = one
	}
	return p, nil
}

// page is what a template is given: the visit, and of the screen what it is about.
type page struct {
	*visit
	Title  string
	Active string // the screen's name in the navigation
	Body   any
}

// write answers with a page.
func (d *Dashboard) write(w http.ResponseWriter, r *http.Request, status int, name, title, active string, v *visit, body any) {
	var out bytes.Buffer
	if err := d.pages.byName[name].ExecuteTemplate(&out, "layout", page{v, title, active, body}); err != nil {
		d.log.Error("a page of the dashboard cannot be shown", "page", name, "path", r.URL.Path, "error", err)
		http.Error(w, "This page cannot be shown. The reason is in the log.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}
