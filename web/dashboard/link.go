package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"snowlink/web/api"
)

// linkPage is the screen of one link: to edit it, to print it, to see what became of it.
type linkPage struct {
	Link    api.Link
	Form    linkForm
	Saved   bool
	Problem *api.Problem
	History panel[api.LinkHistory]
}

// linkForm is what may be changed, as it stands in the form.
type linkForm struct {
	URL, Title, Note, Tags, ExpiresAt, FallbackURL string
	Disabled                                       bool
	Version                                        int64 // that the form was made of
}

// formTime is how a browser writes a time in a form, which is in the visitor's zone.
const formTime = "2006-01-02T15:04"

func (v *visit) formOf(l api.Link) linkForm {
	f := linkForm{URL: l.URL, Title: l.Title, Note: l.Note, Tags: strings.Join(l.Tags, ", "), Disabled: l.Status == "disabled", Version: l.Version}
	if l.ExpiresAt != nil {
		f.ExpiresAt = l.ExpiresAt.In(v.Zone).Format(formTime)
	}
	if l.FallbackURL != nil {
		f.FallbackURL = *l.FallbackURL
	}
	return f
}

func (d *Dashboard) link(w http.ResponseWriter, r *http.Request, v *visit) error {
	var link api.Link
	if err := v.get(r.Context(), linkPath(r.PathValue("code")), domainOf(r.URL.Query().Get("domain")), &link); err != nil {
		return err
	}
	return d.showLink(w, r, v, http.StatusOK, linkPage{Link: link, Form: v.formOf(link), Saved: r.URL.Query().Has("saved")})
}

func (d *Dashboard) showLink(w http.ResponseWriter, r *http.Request, v *visit, status int, page linkPage) error {
	page.History.load(r.Context(), v.client, linkPath(page.Link.Code)+"/history", domainOf(page.Link.Domain))
	slices.Reverse(page.History.Data.Events)
	d.write(w, r, status, "link", page.Link.Code, "links", v, page)
	return nil
}

// editLink changes what the form has changed. If the link was changed meanwhile by somebody else nothing is, and
// the form stays as it was filled in.
func (d *Dashboard) editLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	code, domain := r.PathValue("code"), domainOf(r.URL.Query().Get("domain"))
	form, err := postedForm(w, r)
	if err != nil {
		return err
	}
	page := linkPage{Form: form}
	if err := v.get(r.Context(), linkPath(code), domain, &page.Link); err != nil {
		return err
	}
	patch, err := v.changes(v.formOf(page.Link), form)
	if err == nil {
		err = v.withMatch(form.Version).call(r.Context(), http.MethodPatch, linkPath(code), domain, patch, nil)
	}
	if err == nil {
		saved := url.Values{"saved": {"1"}, "domain": domain["domain"]}
		http.Redirect(w, r, "/app/links/"+url.PathEscape(code)+"?"+saved.Encode(), http.StatusSeeOther)
		return nil
	}
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok || problem.Status == http.StatusUnauthorized {
		return err
	}
	page.Problem = problem
	page.Form.Version = page.Link.Version // who saves again has seen what changed
	return d.showLink(w, r, v, problem.Status, page)
}

func postedForm(w http.ResponseWriter, r *http.Request) (linkForm, error) {
	if _, err := postedLink(w, r); err != nil {
		return linkForm{}, err
	}
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	version, err := strconv.ParseInt(text("version"), 10, 64)
	if err != nil {
		return linkForm{}, &api.Problem{Status: http.StatusBadRequest, Title: "Bad Request", Detail: "The form does not say which version of the link it was made of: open the link again."}
	}
	return linkForm{
		URL: text("url"), Title: text("title"), Note: text("note"), Tags: text("tags"), ExpiresAt: text("expires_at"),
		FallbackURL: text("fallback_url"), Disabled: text("disabled") != "", Version: version,
	}, nil
}

// changes is what differs between two states of the form, as the REST interface takes it.
func (v *visit) changes(before, after linkForm) (map[string]any, error) {
	patch := map[string]any{}
	for name, value := range map[string][2]string{"url": {before.URL, after.URL}, "title": {before.Title, after.Title}, "note": {before.Note, after.Note}} {
		if value[0] != value[1] {
			patch[name] = value[1]
		}
	}
	if before.Tags != after.Tags {
		patch["tags"] = append([]string{}, splitTags(after.Tags)...)
	}
	if before.Disabled != after.Disabled {
		patch["status"] = map[bool]string{true: "disabled", false: "active"}[after.Disabled]
	}
	if before.FallbackURL != after.FallbackURL {
		patch["fallback_url"] = orNull(after.FallbackURL)
	}
	if before.ExpiresAt != after.ExpiresAt {
		patch["expires_at"] = nil
		if after.ExpiresAt != "" {
			at, err := time.ParseInLocation(formTime, after.ExpiresAt, v.Zone)
			if err != nil {
				return nil, &api.Problem{Status: http.StatusUnprocessableEntity, Title: "Unprocessable Entity", Detail: v.T("The end is not a time: use a form such as %s.", formTime)}
			}
			patch["expires_at"] = at
		}
	}
	return patch, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// qr answers with the QR code of a link, as the REST interface draws it.
func (d *Dashboard) qr(format string) screen {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		return v.passOn(w, r, linkPath(r.PathValue("code"))+"/qr."+format)
	}
}

// Changes tells what an event has changed, one line a field.
func (v *visit) Changes(e api.LinkEvent) (lines []string) {
	say := func(name, before, after string) {
		switch {
		case before == after:
		case before == "":
			lines = append(lines, v.T("%s: %s", v.T(name), after))
		case after == "":
			lines = append(lines, v.T("%s: %s was taken away", v.T(name), before))
		default:
			lines = append(lines, v.T("%s: %s instead of %s", v.T(name), after, before))
		}
	}
	var before, after api.Link
	if e.Before != nil {
		before = *e.Before
	}
	if e.After != nil {
		after = *e.After
	}
	say("Target", before.URL, after.URL)
	say("Title", before.Title, after.Title)
	say("Note", before.Note, after.Note)
	say("Tags", strings.Join(before.Tags, ", "), strings.Join(after.Tags, ", "))
	say("Status", before.Status, after.Status)
	say("End", v.momentOrNone(before.ExpiresAt), v.momentOrNone(after.ExpiresAt))
	return lines
}

func (v *visit) momentOrNone(t *time.Time) string {
	if t == nil {
		return ""
	}
	return v.Moment(*t)
}
