package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// Lister finds links.
type Lister interface {
	// List returns the links that q selects, at most q.Limit of them, from after q.After on.
	List(ctx context.Context, q shortener.LinkQuery) ([]shortener.Link, error)
}

func (a *API) routeList() {
	op := operation(http.MethodGet, "/links", "list-links", tagLinks, shortener.RoleReader, "List links")
	op.Description = "Newest first. Deleted links are in the list only with status=deleted."
	huma.Register(a.huma, op, a.listLinks)
}

// LinkPage is one page of a list of links.
type LinkPage struct {
	Links      []Link  `json:"links"`
	NextCursor *string `json:"next_cursor" doc:"For the page that follows; null on the last one."`
}

// maxPage is the most that is on a page.
const maxPage = 1000

type listInput struct {
	Q      string `query:"q" maxLength:"500" doc:"Words that must all occur in code, target, title, note or tags; case does not matter."`
	Tag    string `query:"tag" maxLength:"200" doc:"Only links with this tag."`
	Status string `query:"status" enum:"active,scheduled,expired,disabled,deleted"`
	Domain string `query:"domain" doc:"Only links of this domain."`
	Sort   string `query:"sort" enum:"-created_at,-updated_at" default:"-created_at"`
	Page
}

func (a *API) listLinks(ctx context.Context, req *listInput) (*struct{ Body LinkPage }, error) {
	q, err := a.linkQuery(req)
	if err != nil {
		return nil, err
	}
	// One more than was asked for tells whether there is another page.
	q.Limit = min(req.Limit+1, maxPage)
	links, err := a.config.List.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := LinkPage{}
	if len(links) > req.Limit || req.Limit == maxPage && len(links) == maxPage {
		links = links[:req.Limit]
		cursor, err := a.cursors.seal(req.scope, placeOf(links[len(links)-1], q.Sort))
		if err != nil {
			return nil, err
		}
		out.NextCursor = &cursor
	}
	out.Links = a.showAll(ctx, links)
	return &struct{ Body LinkPage }{out}, nil
}

func (a *API) linkQuery(req *listInput) (shortener.LinkQuery, error) {
	q := shortener.LinkQuery{
		Text: req.Q, Tag: req.Tag, Status: shortener.Status(req.Status), Sort: shortener.Sort(req.Sort), Now: a.now(),
	}
	if req.Domain != "" {
		domain, err := a.config.Links.Ref(req.Domain, "")
		if err != nil {
			return q, in("query", err)
		}
		q.Domain = &domain.Domain
	}
	if req.Cursor != "" {
		var p place
		if err := a.cursors.open(req.scope, req.Cursor, &p); err != nil {
			return q, err
		}
		q.After = &shortener.LinkPosition{At: time.UnixMilli(p.At).UTC(), ID: p.ID}
	}
	return q, nil
}

// place is a place in a list of links, as cursors hold it.
type place struct {
	At int64  `json:"at"` // milliseconds
	ID string `json:"id"`
}

func placeOf(l shortener.Link, sort shortener.Sort) place {
	if sort == shortener.SortUpdated {
		return place{l.UpdatedAt.UnixMilli(), l.ID}
	}
	return place{l.CreatedAt.UnixMilli(), l.ID}
}
