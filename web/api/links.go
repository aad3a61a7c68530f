package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// idempotencyLife is how long an Idempotency-Key is honoured.
const idempotencyLife = 24 * time.Hour

func (a *API) routeLinks() {
	create := operation(http.MethodPost, "/links", "create-link", tagLinks, shortener.RoleEditor, "Make a link")
	create.Description = "With an Idempotency-Key the link is made once, however often the call is repeated within 24 hours; " +
		"a repetition is answered as the first call was, with Idempotent-Replayed: true."
	create.DefaultStatus = http.StatusCreated
	takesBody(&create, a.config.Limits.MaxBody, bodyPatience)
	create.Errors = append(create.Errors, http.StatusConflict)
	huma.Register(a.huma, create, a.createLink)

	huma.Register(a.huma, operation(http.MethodGet, "/links/{code}", "get-link", tagLinks, shortener.RoleReader,
		"Show a link"), a.getLink)

	edit := a.change(http.MethodPatch, "/links/{code}", "edit-link", "Change a link")
	edit.Description = "What is given changes, null takes a value away (RFC 7396). With If-Match nothing changes unless the link is at that version."
	takesBody(&edit, a.config.Limits.MaxBody, bodyPatience)
	huma.Register(a.huma, edit, a.editLink)

	remove := a.change(http.MethodDelete, "/links/{code}", "delete-link", "Delete a link")
	remove.Description = "The link answers 410 from then on, or leads to its fallback_url. Its code stays taken, its clicks stay counted, and it can be restored."
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, remove, a.deleteLink)

	huma.Register(a.huma, a.change(http.MethodPost, "/links/{code}/restore", "restore-link", "Bring a deleted link back"), a.restoreLink)
	huma.Register(a.huma, operation(http.MethodGet, "/links/{code}/history", "get-link-history", tagLinks, shortener.RoleReader,
		"Show every change of a link"), a.linkHistory)
	a.routeList()
	a.routeBatch()
	a.routeQR()
}

func (a *API) change(method, path, id, summary string) huma.Operation {
	op := operation(method, path, id, tagLinks, shortener.RoleEditor, summary)
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusGone, http.StatusPreconditionFailed)
	return op
}

// LinkPath names a link.
type LinkPath struct {
	Code   string `path:"code" doc:"The code of the link."`
	Domain string `query:"domain" doc:"The domain of the link; the default one if not given."`
}

// ref returns the ref of a link that a path names.
func (a *API) ref(p LinkPath) (shortener.Ref, error) {
	if !shortener.ValidCode(p.Code) {
		return shortener.Ref{}, shortener.Errorf(shortener.NotFound, "There is no link %q: that is not the form of a code.", p.Code)
	}
	ref, err := a.config.Links.Ref(p.Domain, p.Code)
	return ref, in("query", err)
}

func (a *API) find(ctx context.Context, p LinkPath) (shortener.Link, error) {
	ref, err := a.ref(p)
	if err != nil {
		return shortener.Link{}, err
	}
	return a.config.Links.Link(ctx, ref)
}

type linkOutput struct {
	ETag string `header:"ETag"`
	Body Link
}

type createdOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location" doc:"The address of the link in this interface."`
	Replayed string `header:"Idempotent-Replayed" doc:"true if an earlier call made the link."`
	Body     Link
}

func (a *API) createLink(ctx context.Context, req *struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"Makes the call repeatable for 24 hours."`
	Body           NewLink
},
) (*createdOutput, error) {
	link, replayed, err := a.create(ctx, req.Body, req.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	out := &createdOutput{ETag: etag(link.Version), Location: linkPath(link.Ref), Body: a.showMade(link)}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

func (a *API) create(ctx context.Context, n NewLink, idempotencyKey string) (shortener.Link, bool, error) {
	order, err := n.order()
	if err != nil {
		return shortener.Link{}, false, err
	}
	var once *shortener.Once
	if idempotencyKey != "" {
		once = &shortener.Once{
			Owner: actor(ctx), Key: idempotencyKey, Fingerprint: fingerprint(n), Expires: a.now().Add(idempotencyLife),
		}
	}
	return a.config.Links.Create(ctx, actor(ctx), order, once)
}

// fingerprint tells one order from another, however its JSON was written.
func fingerprint(n NewLink) [32]byte {
	canonical, err := json.Marshal(n)
	if err != nil { // it was JSON before
		panic(err)
	}
	return sha256.Sum256(append([]byte("POST "+prefix+"/links "), canonical...))
}

func (a *API) getLink(ctx context.Context, req *struct{ LinkPath }) (*linkOutput, error) {
	link, err := a.find(ctx, req.LinkPath)
	return a.answer(ctx, link, err)
}

func (a *API) answer(ctx context.Context, link shortener.Link, err error) (*linkOutput, error) {
	if err != nil {
		return nil, err
	}
	return &linkOutput{ETag: etag(link.Version), Body: a.showOne(ctx, link)}, nil
}

// Precondition is what a change may depend upon.
type Precondition struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the version to change, or * for whichever there is."`
}

// expected returns the version that a change is for, nil for any. An entity tag that is not one of
// ours is that of no version.
func (a *API) expected(ctx context.Context, ref shortener.Ref, p Precondition) (*int64, error) {
	header := strings.TrimSpace(p.IfMatch)
	if header == "" || header == "*" {
		return nil, nil //nolint:nilnil // any version will do
	}
	link, err := a.config.Links.Link(ctx, ref)
	if err != nil {
		return nil, err
	}
	for tag := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(tag) == etag(link.Version) {
			return &link.Version, nil
		}
	}
	return nil, shortener.Errorf(shortener.Conflict, "The link is at version %s, and If-Match names another: read it again.", etag(link.Version))
}

// target returns what a change is of.
func (a *API) target(ctx context.Context, path LinkPath, p Precondition) (shortener.Ref, *int64, error) {
	ref, err := a.ref(path)
	if err != nil {
		return ref, nil, err
	}
	expected, err := a.expected(ctx, ref, p)
	return ref, expected, err
}

func (a *API) editLink(ctx context.Context, req *struct {
	LinkPath
	Precondition
	Body LinkPatch
},
) (*linkOutput, error) {
	patch, err := req.Body.order()
	if err != nil {
		return nil, err
	}
	ref, expected, err := a.target(ctx, req.LinkPath, req.Precondition)
	if err != nil {
		return nil, err
	}
	link, err := a.config.Links.Edit(ctx, actor(ctx), ref, patch, expected)
	return a.answer(ctx, link, err)
}

func (a *API) deleteLink(ctx context.Context, req *struct {
	LinkPath
	Precondition
},
) (*struct{}, error) {
	ref, expected, err := a.target(ctx, req.LinkPath, req.Precondition)
	if err != nil {
		return nil, err
	}
	_, err = a.config.Links.Delete(ctx, actor(ctx), ref, expected)
	return nil, err
}

func (a *API) restoreLink(ctx context.Context, req *struct {
	LinkPath
	Precondition
},
) (*linkOutput, error) {
	ref, expected, err := a.target(ctx, req.LinkPath, req.Precondition)
	if err != nil {
		return nil, err
	}
	link, err := a.config.Links.Restore(ctx, actor(ctx), ref, expected)
	return a.answer(ctx, link, err)
}

// LinkEvent is one change of a link.
type LinkEvent struct {
	ID       string    `json:"id"`
	Position int64     `json:"position" doc:"In the log of all changes."`
	Version  int64     `json:"version" doc:"The link's after the change."`
	Type     string    `json:"type" enum:"link.created,link.edited,link.disabled,link.enabled,link.deleted,link.restored"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor" doc:"Id of the key that made the change."`
	Before   *Link     `json:"before" doc:"The link before the change; null for its creation."`
	After    *Link     `json:"after" doc:"The link after it."`
}

// TransformSchema says what struct tags cannot: that before may be null.
func (LinkEvent) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	before := s.Properties["before"]
	s.Properties["before"] = &huma.Schema{
		Description: before.Description, AnyOf: []*huma.Schema{{Ref: before.Ref}, {Type: "null"}},
	}
	return s
}

// LinkHistory is every change of a link, the oldest first.
type LinkHistory struct {
	Events []LinkEvent `json:"events"`
}

func (a *API) linkHistory(ctx context.Context, req *struct{ LinkPath }) (*struct{ Body LinkHistory }, error) {
	ref, err := a.ref(req.LinkPath)
	if err != nil {
		return nil, err
	}
	changes, err := a.config.Links.History(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := LinkHistory{Events: make([]LinkEvent, len(changes))}
	for i, c := range changes {
		out.Events[i] = LinkEvent{
			ID: c.ID, Position: c.Position, Version: c.Version, Type: string(c.Type), At: c.At.UTC(), Actor: c.Actor,
			Before: a.showPast(c.Before, c.At), After: a.showPast(c.After, c.At),
		}
	}
	return &struct{ Body LinkHistory }{out}, nil
}

func (a *API) showPast(l *shortener.Link, at time.Time) *Link {
	if l == nil {
		return nil
	}
	out := a.show(*l, at)
	return &out
}
