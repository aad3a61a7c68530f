package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"snowlink/web/api"
)

// linkList is what the screen of links shows.
type linkList struct {
	api.LinkPage
	Query  url.Values // what is asked for, in the words of the REST interface
	First  bool       // there is no link at all yet
	New    newLink
	Gone   string // code of a link that was deleted just now, and may be had back
	Domain string // its domain
}

// newLink is the form for a link: what was typed, what came of it.
type newLink struct {
	URL, Code, Tags string
	Problem         *api.Problem
	Made            *api.Link
}

// listed are the parameters of the list of links that a page hands on.
var listed = []string{"q", "tag", "status", "domain", "sort", "cursor"}

func (d *Dashboard) links(w http.ResponseWriter, r *http.Request, v *visit) error {
	return d.showLinks(w, r, v, http.StatusOK, newLink{})
}

func (d *Dashboard) showLinks(w http.ResponseWriter, r *http.Request, v *visit, status int, form newLink) error {
	asked := r.URL.Query()
	list := linkList{Query: url.Values{}, New: form, Gone: asked.Get("deleted"), Domain: asked.Get("deleted_domain")}
	for _, name := range listed {
		if value := asked.Get(name); value != "" {
			list.Query.Set(name, value)
		}
	}
	params := url.Values{"limit": {"50"}}
	for name, values := range list.Query {
		params[name] = values
	}
	if err := v.get(r.Context(), "/links", params, &list.LinkPage); err != nil {
		return err
	}
	list.First = len(list.Links) == 0 && len(list.Query) == 0
	d.write(w, r, status, "links", v.T("Links"), "links", v, list)
	return nil
}

// More returns the address of the page that follows, "" if there is none.
func (l linkList) More() string {
	if l.NextCursor == nil {
		return ""
	}
	next := url.Values{"cursor": {*l.NextCursor}}
	for name, values := range l.Query {
		if name != "cursor" {
			next[name] = values
		}
	}
	return "/app/?" + next.Encode()
}

func (d *Dashboard) createLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	form, err := postedLink(w, r)
	if err != nil {
		return err
	}
	var made api.Link
	err = v.call(r.Context(), http.MethodPost, "/links", nil, form.order(), &made)
	if problem, ok := errors.AsType[*api.Problem](err); ok {
		form.Problem = problem
		return d.showLinks(w, r, v, problem.Status, form)
	}
	if err != nil {
		return err
	}
	return d.showLinks(w, r, v, http.StatusCreated, newLink{Made: &made})
}

func postedLink(w http.ResponseWriter, r *http.Request) (newLink, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return newLink{}, &api.Problem{Status: http.StatusBadRequest, Title: "Bad Request", Detail: "The form cannot be read: it is too long or was cut off."}
	}
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	return newLink{URL: text("url"), Code: text("code"), Tags: text("tags")}, nil
}

// order is the form as the REST interface takes it. Who leaves the scheme away means the safe one.
func (f newLink) order() map[string]any {
	target := f.URL
	if target != "" && !strings.Contains(target, ":") {
		target = "https://" + target
	}
	order := map[string]any{"url": target}
	if f.Code != "" {
		order["code"] = f.Code
	}
	if tags := splitTags(f.Tags); len(tags) > 0 {
		order["tags"] = tags
	}
	return order
}

func splitTags(text string) (tags []string) {
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

func (d *Dashboard) deleteLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	code, domain := r.PathValue("code"), r.URL.Query().Get("domain")
	if err := v.call(r.Context(), http.MethodDelete, linkPath(code), domainOf(domain), nil, nil); err != nil {
		return err
	}
	back := url.Values{"deleted": {code}}
	if domain != "" {
		back.Set("deleted_domain", domain)
	}
	http.Redirect(w, r, "/app/?"+back.Encode(), http.StatusSeeOther)
	return nil
}

func (d *Dashboard) restoreLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	code, domain := r.PathValue("code"), r.URL.Query().Get("domain")
	if err := v.call(r.Context(), http.MethodPost, linkPath(code)+"/restore", domainOf(domain), nil, nil); err != nil {
		return err
	}
	http.Redirect(w, r, "/app/", http.StatusSeeOther)
	return nil
}

func linkPath(code string) string { return "/links/" + url.PathEscape(code) }

func domainOf(domain string) url.Values {
	if domain == "" {
		return nil
	}
	return url.Values{"domain": {domain}}
}
