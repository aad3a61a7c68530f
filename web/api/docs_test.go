package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"snowlink/shortener"
)

var contract = []string{
	"POST /api/v1/links", "GET /api/v1/links", "POST /api/v1/links/batch",
	"GET /api/v1/links/{code}", "PATCH /api/v1/links/{code}", "DELETE /api/v1/links/{code}",
	"POST /api/v1/links/{code}/restore", "GET /api/v1/links/{code}/history", "GET /api/v1/links/{code}/qr.svg", "GET /api/v1/links/{code}/qr.png",
	"GET /api/v1/analytics/summary", "GET /api/v1/analytics/timeseries", "GET /api/v1/analytics/breakdown/{dimension}", "GET /api/v1/analytics/heatmap", "POST /api/v1/analytics/query", "GET /api/v1/clicks/export", "GET /api/v1/clicks/stream",
	"POST /api/v1/keys", "GET /api/v1/keys", "DELETE /api/v1/keys/{id}", "GET /api/v1/me",
	"POST /api/v1/admin/events/verify", "POST /api/v1/admin/events/replay", "POST /api/v1/admin/clicks/verify",
}

type object = map[string]any

func TestTheOpenAPIDocumentDescribesTheContract(t *testing.T) {
	w := newWorld(t)
	a := w.call("GET", "/api/openapi.json", "", "").status(200).header("Content-Type", "application/json")
	spec := decode[object](a)
	if v, _ := spec["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("openapi is %v, want 3.1", spec["openapi"])
	}
	if info, _ := spec["info"].(object); info["title"] == "" || info["version"] == "" {
		t.Errorf("info is %v", info)
	}
	var found, ids []string
	for path, item := range spec["paths"].(object) {
		for method, raw := range item.(object) {
			op := raw.(object)
			found = append(found, strings.ToUpper(method)+" "+path)
			id, _ := op["operationId"].(string)
			ids = append(ids, id)
			checkOperation(t, strings.ToUpper(method)+" "+path, op)
		}
	}
	slices.Sort(found)
	want := slices.Sorted(slices.Values(contract))
	if !slices.Equal(found, want) {
		t.Errorf("paths are\n%s, want\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != len(want) || slices.Contains(ids, "") {
		t.Errorf("there are %d operation ids, want %d", n, len(want))
	}
	checkRefs(t, spec, spec)
}

func checkOperation(t *testing.T, name string, op object) {
	t.Helper()
	if op["summary"] == "" || op["tags"] == nil || op["security"] == nil {
		t.Errorf("%s lacks a summary, tags or security", name)
	}
	responses, _ := op["responses"].(object)
	for _, status := range []string{"401", "403", "429", "500", "503"} {
		r, _ := responses[status].(object)
		if content, _ := r["content"].(object); content["application/problem+json"] == nil {
			t.Errorf("%s does not describe %s as a problem: %v", name, status, r)
		}
	}
	var in []string
	for _, p := range asList(op["parameters"]) {
		in = append(in, p.(object)["in"].(string)+":"+p.(object)["name"].(string))
		if p.(object)["schema"] == nil {
			t.Errorf("%s has a parameter without a schema: %v", name, p)
		}
	}
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(name, -1) {
		if !slices.Contains(in, "path:"+m[1]) {
			t.Errorf("%s does not describe %s: %v", name, m[1], in)
		}
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// checkRefs checks that every reference leads somewhere, and that no type is of another version.
func checkRefs(t *testing.T, spec object, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			checkRefs(t, spec, each)
		}
	case object:
		if ref, ok := v["$ref"].(string); ok {
			var target any = spec
			for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				o, _ := target.(object)
				target = o[name]
			}
			if target == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		if _, old := v["nullable"]; old {
			t.Errorf("nullable is of OpenAPI 3.0: %v", v)
		}
		for _, each := range v {
			checkRefs(t, spec, each)
		}
	}
}

func TestTheDocumentSaysWhatMayBeNullAndWhatItemsABatchHas(t *testing.T) {
	body := string(newWorld(t).call("GET", "/api/openapi.json", "", "").status(200).body)
	spec := decode[object](&answer{t: t, body: []byte(body)})
	schemas := spec["components"].(object)["schemas"].(object)
	property := func(schema, name string) string {
		raw, err := json.Marshal(schemas[schema].(object)["properties"].(object)[name])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, c := range [][3]string{
		{"Link", "clicks", `"anyOf":[{"$ref":"#/components/schemas/LinkClicks"},{"type":"null"}]`},
		{"Link", "expires_at", `"type":["string","null"]`},
		{"Link", "fallback_url", `"type":["string","null"]`},
		{"Link", "tags", `"type":"array"`},
		{"NewLink", "code", `"type":["string","null"]`},
		{"LinkPatch", "title", `"type":["string","null"]`},
	} {
		if got := property(c[0], c[1]); !strings.Contains(got, c[2]) {
			t.Errorf("%s.%s is %s, want %s in it", c[0], c[1], got, c[2])
		}
	}
	batch, err := json.Marshal(spec["paths"].(object)["/api/v1/links/batch"].(object)["post"].(object)["requestBody"])
	if err != nil || !strings.Contains(string(batch), `"items":{"$ref":"#/components/schemas/NewLink"}`) {
		t.Errorf("the body of a batch is %s, want items that are links", batch)
	}
}

func TestTheDocsLoadNothingFromElsewhere(t *testing.T) {
	w := newWorld(t)
	page := w.call("GET", "/api/docs", "", "").status(200).header("Content-Type", "text/html; charset=utf-8")
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy is %q", policy)
	}
	text := string(page.body)
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		switch {
		case strings.HasPrefix(m[1], "#"):
			if !strings.Contains(text, `id="`+m[1][1:]+`"`) {
				t.Errorf("%s leads nowhere", m[1])
			}
		case strings.HasPrefix(m[1], "/api/"):
			w.call("GET", m[1], "", "").status(200)
		default:
			t.Errorf("the page loads or links %q", m[1])
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "style=") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "<no value>") {
		t.Error("the page has a script, a style of its own, or a hole")
	}
	for _, call := range contract {
		if _, path, _ := strings.Cut(call, " "); !strings.Contains(text, "<code>"+path+"</code>") {
			t.Errorf("the page does not show %s", call)
		}
	}
}

func TestEverySlugOfTheDomainIsExplained(t *testing.T) {
	w := newWorld(t)
	var slugs []string
	for kind := shortener.Internal; kind <= shortener.Unavailable; kind++ {
		if kind != shortener.Invalid {
			slugs = append(slugs, kind.String())
		}
	}
	files, err := filepath.Glob("../../shortener/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("files of the domain are %v, %v", files, err)
	}
	slug := regexp.MustCompile(`InvalidField\([^,]+, "([a-z-]+)"`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range slug.FindAllStringSubmatch(string(source), -1) {
			slugs = append(slugs, m[1])
		}
	}
	for _, s := range slugs {
		w.call("GET", "/api/problems/"+s, "", "").status(302).header("Location", "/api/docs#problem-"+s)
	}
	w.call("GET", "/api/problems/unheard-of", "", "").problem(404, "not-found")
}
