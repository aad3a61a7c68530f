package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

func (a *API) routeBatch() {
	op := operation(http.MethodPost, "/links/batch", "create-links", tagLinks, shortener.RoleEditor, "Make up to 1,000 links")
	op.Description = "Each item has a result of its own: the good ones are made, whatever is wrong with the others. " +
		"An Idempotency-Key holds for each item by its place. To the limit of the key, each link is a call."
	takesBody(&op, a.config.Limits.MaxBatch, batchPatience)
	op.Metadata[unhurried] = true
	registry := a.huma.OpenAPI().Components.Schemas
	schema := registry.Schema(reflect.TypeFor[NewLink](), true, "")
	huma.Register(a.huma, op, func(ctx context.Context, req *batchInput) (*struct{ Body BatchResults }, error) {
		return a.createLinks(ctx, req, func(item any) []error { return validate(registry, schema, item) })
	})
	// What an item may be is described, and checked for each by itself: one that is wrong must not
	// refuse the whole.
	body := a.huma.OpenAPI().Paths[op.Path].Post.RequestBody.Content["application/json"]
	described := *registry.SchemaFromRef(body.Schema.Ref)
	links := *described.Properties["links"]
	links.Items = schema
	described.Properties = map[string]*huma.Schema{"links": &links}
	body.Schema = &described
}

func validate(registry huma.Registry, schema *huma.Schema, item any) []error {
	var found huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, item, &found)
	return found.Errors
}

type batchInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"250" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"Makes the call repeatable for 24 hours."`
	Body           struct {
		Links []json.RawMessage `json:"links" minItems:"1" maxItems:"1000"`
	}
}

// BatchResults are the results of a batch, in the order of its items.
type BatchResults struct {
	Results []BatchResult `json:"results"`
}

// BatchResult is the result of one item: a link or a problem.
type BatchResult struct {
	Index   int      `json:"index" doc:"The item's place in the batch, from 0."`
	Status  int      `json:"status" doc:"What the item by itself would have been answered: 201 if it was made."`
	Link    *Link    `json:"link,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

func (a *API) createLinks(ctx context.Context, req *batchInput, check func(any) []error) (*struct{ Body BatchResults }, error) {
	if err := a.limitCalls(ctx, len(req.Body.Links)); err != nil {
		return nil, err
	}
	out := BatchResults{Results: make([]BatchResult, len(req.Body.Links))}
	for i, raw := range req.Body.Links {
		if err := ctx.Err(); err != nil {
			return nil, err // nobody waits for the rest
		}
		link, err := a.createItem(ctx, req.IdempotencyKey, i, raw, check)
		out.Results[i] = BatchResult{Index: i, Status: http.StatusCreated}
		if err != nil {
			p := itemProblem(err, i)
			p.RequestID = callOf(ctx).id
			out.Results[i].Status, out.Results[i].Problem = p.Status, p
			if p.Status >= 500 {
				a.log.ErrorContext(ctx, "item of a batch", "request", p.RequestID, "index", i, "error", cause(err))
			}
			continue
		}
		made := a.showMade(link)
		out.Results[i].Link = &made
	}
	return &struct{ Body BatchResults }{out}, nil
}

func (a *API) createItem(ctx context.Context, key string, i int, raw json.RawMessage, check func(any) []error) (shortener.Link, error) {
	var item any
	if err := jsonFormat.Unmarshal(raw, &item); err != nil {
		return shortener.Link{}, err
	}
	if faults := check(item); len(faults) > 0 {
		return shortener.Link{}, refusal(http.StatusUnprocessableEntity, "", faults)
	}
	var order NewLink
	if err := jsonFormat.Unmarshal(raw, &order); err != nil {
		return shortener.Link{}, refusal(http.StatusUnprocessableEntity, "", []error{&huma.ErrorDetail{Message: err.Error()}})
	}
	if key != "" {
		key += "#" + strconv.Itoa(i)
	}
	link, _, err := a.create(ctx, order, key)
	return link, err
}

// itemProblem returns err with locations inside of item i.
func itemProblem(err error, i int) *Problem {
	where := "body.links[" + strconv.Itoa(i) + "]"
	if p, ok := err.(*Problem); ok { //nolint:errorlint // refusal returns it bare
		for f := range p.Errors {
			if p.Errors[f].Location == "" {
				p.Errors[f].Location = where
			} else {
				p.Errors[f].Location = where + "." + p.Errors[f].Location
			}
		}
		return p
	}
	return problemOf(in(where, err))
}
