package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"snowlink/shortener"
)

//go:embed docs
var docsFiles embed.FS

const (
	docsPath     = "/api/docs"
	specPath     = "/api/openapi.json"
	problemsPath = "/api/problems/" // followed by the slug: the type of a problem
)

// problemTexts explains every slug, in the order in which they are documented.
var problemTexts = []struct {
	Slug   string
	Status int
	Title  string
	Text   string
}{
	{"malformed-json", 400, "Malformed JSON", "The body is missing, cut off, not JSON or not UTF-8."},
	{"unauthorized", 401, "No valid key", "Send a valid API key as Authorization: Bearer slk_…."},
	{"forbidden", 403, "Not allowed", "The key is valid, and its role does not reach so far."},
	{"own-key", 403, "A key cannot revoke itself", "Use another owner's key, so that one is always left."},
	{"not-found", 404, "Not found", "There was never such a thing."},
	{"method-not-allowed", 405, "Method not allowed", "The Allow header lists those that are."},
	{"timeout", 408, "Too slow", "The body did not arrive in time."},
	{"code-taken", 409, "The code is taken", "It belongs to another link, perhaps a deleted one: choose another, or leave it out."},
	{"shards-conflict", 409, "Something is in the way", "The name or the address is in use, a move is under way, or the shard is the last one: the detail says which."},
	{"embedded-shards", 409, "The shards are embedded", "They are part of the process: name shards on Redis by --redis to add and remove them."},
	{"gone", 410, "Gone", "The link was deleted: restore it first."},
	{"version-conflict", 412, "Another version", "The link has changed since: read it again, and repeat the change with its new ETag."},
	{"too-large", 413, "Too large", "A body may have 1 MiB, a batch 9 MiB."},
	{"unsupported-media-type", 415, "Not JSON", "The body must be application/json."},
	{"invalid-value", 422, "Invalid value", "A value has the wrong type, is missing, unknown or out of its bounds: errors tells which."},
	{"invalid-url", 422, "Invalid URL", "Targets are absolute http or https URLs without credentials or control characters."},
	{"url-too-long", 422, "URL too long", "A target has at most 8,192 bytes."},
	{"own-host", 422, "Leads back here", "A target on the service's own host would make a loop."},
	{"invalid-code", 422, "Invalid code", "A code has 1 to 64 characters of A-Z, a-z, 0-9, _ and -."},
	{"reserved-code", 422, "Reserved code", "The service uses this name itself."},
	{"unknown-domain", 422, "Unknown domain", "The service does not answer for this domain."},
	{"too-long", 422, "Too long", "A text has more characters than it may have."},
	{"control-character", 422, "Control character", "A text has one in it: remove it."},
	{"too-many-tags", 422, "Too many tags", "A link has at most 20."},
	{"too-many", 422, "Too many", "More links are named than one query may name."},
	{"invalid-redirect-status", 422, "Not a redirect status", "Use 301, 302, 307 or 308."},
	{"invalid-time", 422, "Invalid time", "Use RFC 3339, such as 2026-11-01T12:00:00Z."},
	{"expires-in-past", 422, "Expiry in the past", "expires_at must be to come."},
	{"expires-before-start", 422, "Expiry before the start", "expires_at must be later than starts_at."},
	{"not-supported-yet", 422, "Not supported yet", "It is described, and not built yet: better refused than promised in vain."},
	{"idempotency-key-reused", 422, "Idempotency key reused", "Within 24 hours a key stands for one request: use a new one for another."},
	{"invalid-cursor", 422, "Invalid cursor", "A cursor goes with the query it was given for, as it was given."},
	{"invalid-range", 422, "Invalid range", "Use either range, or from and to, of which to is the later."},
	{"invalid-time-zone", 422, "Invalid time zone", "Use an IANA name, such as Europe/Stockholm."},
	{"invalid-interval", 422, "Invalid interval", "Use minute, hour, day, week or month."},
	{"too-many-buckets", 422, "Too many buckets", "Choose a wider interval or a shorter range."},
	{"invalid-shard", 422, "Not a shard", "The name or the address is not of the form that shards have."},
	{"shard-refused", 422, "Not fit for a shard", "The Redis cannot be taken as it is: the detail says why, and what to do."},
	{"invalid-weight", 422, "Invalid weight", "A weight is a number from 1 to 100."},
	{"limited", 429, "Too many calls", "Come back when Retry-After says."},
	{"internal", 500, "A fault of ours", "It is logged under the request id."},
	{"unavailable", 503, "Temporarily unavailable", "A part of the service is down and nothing was done: come back when Retry-After says."},
}

// titleOf returns the title of a kind of problem: of one that is not explained, the slug in words.
func titleOf(slug string) string {
	for _, p := range problemTexts {
		if p.Slug == slug {
			return p.Title
		}
	}
	words := strings.ReplaceAll(slug, "-", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// routeDocs serves the OpenAPI document, and a page made of it that loads nothing from elsewhere. All
// are made once, here: they come last, when every operation is known.
func (a *API) routeDocs() {
	spec, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		panic(err)
	}
	page, err := a.docsPage()
	if err != nil {
		panic(err)
	}
	style, err := docsFiles.ReadFile("docs/style.css")
	if err != nil {
		panic(err)
	}
	a.static(specPath, "application/json", spec)
	a.static(docsPath, "text/html; charset=utf-8", page)
	a.static(docsPath+"/style.css", "text/css; charset=utf-8", style)
	a.router.GET(problemsPath+":slug", func(c *gin.Context) {
		for _, p := range problemTexts {
			if p.Slug == c.Param("slug") {
				c.Redirect(http.StatusFound, docsPath+"#problem-"+p.Slug)
				return
			}
		}
		writeProblem(c, shortener.Errorf(shortener.NotFound, "There is no problem of that name."))
	})
}

const docsPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (a *API) static(path, mediaType string, body []byte) {
	a.router.GET(path, func(c *gin.Context) {
		c.Header("Cache-Control", "no-cache")
		c.Header("Content-Security-Policy", docsPolicy)
		c.Data(http.StatusOK, mediaType, body)
	})
}

func (a *API) docsPage() ([]byte, error) {
	page, err := template.New("page.html").Funcs(template.FuncMap{
		"type": typeName, "ref": refName, "members": members, "lower": strings.ToLower,
	}).ParseFS(docsFiles, "docs/page.html")
	if err != nil {
		return nil, err
	}
	spec := a.huma.OpenAPI()
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Info": spec.Info, "Groups": groups(spec), "Schemas": schemas(spec), "Problems": problemTexts, "BaseURL": a.config.BaseURL,
	})
	return b.Bytes(), err
}

// docsGroup is the operations that have a tag.
type docsGroup struct {
	*huma.Tag
	Operations []*huma.Operation
}

func groups(spec *huma.OpenAPI) (out []docsGroup) {
	for _, tag := range spec.Tags {
		g := docsGroup{Tag: tag}
		for _, path := range sortedKeys(spec.Paths) {
			item := spec.Paths[path]
			for _, op := range []*huma.Operation{item.Post, item.Get, item.Patch, item.Delete} {
				if op != nil && slices.Contains(op.Tags, tag.Name) {
					g.Operations = append(g.Operations, op)
				}
			}
		}
		if len(g.Operations) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// docsSchema is a schema that others refer to by its name.
type docsSchema struct {
	Name   string
	Schema *huma.Schema
}

func schemas(spec *huma.OpenAPI) (out []docsSchema) {
	all := spec.Components.Schemas.Map()
	for _, name := range sortedKeys(all) {
		if all[name].Type == huma.TypeObject {
			out = append(out, docsSchema{name, all[name]})
		}
	}
	return out
}

// docsMember is one member of an object.
type docsMember struct {
	Name     string
	Schema   *huma.Schema
	Required bool
}

func members(s *huma.Schema) (out []docsMember) {
	for _, name := range sortedKeys(s.Properties) {
		out = append(out, docsMember{name, s.Properties[name], slices.Contains(s.Required, name)})
	}
	return out
}

func refName(s *huma.Schema) string { return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:] }

// typeName says what a value is, in words.
func typeName(s *huma.Schema) string {
	name := s.Type
	switch {
	case s.Ref != "":
		name = refName(s)
	case len(s.AnyOf) > 0:
		names := make([]string, len(s.AnyOf))
		for i, each := range s.AnyOf {
			names[i] = typeName(each)
		}
		name = strings.Join(names, " or ")
	case s.Type == huma.TypeArray && s.Items != nil:
		name = "array of " + typeName(s.Items)
	case s.Type == "":
		name = "anything"
	case s.Format == "date-time":
		name = "time"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
