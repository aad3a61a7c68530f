package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "snowlink"
	repoRoot = "../.."
)

// A room is a folder at the top of the repository, and what the packages in it may import.
type room struct {
	ours     []string // rooms of ours, itself included
	siblings bool     // whether its packages may import each other
	libs     []string // modules from elsewhere; nil for any
}

// rooms are the arrows of the house. The middle knows nobody; nobody knows the composition root.
var rooms = map[string]room{
	"cmd":     {ours: []string{"cmd", "web", "storage", "shortener", "infra"}, siblings: true},
	"web":     {ours: []string{"web", "shortener", "infra"}, siblings: true},
	"storage": {ours: []string{"storage", "shortener", "infra"}, siblings: true},
	"infra":   {},
	"shortener": {
		ours: []string{"shortener"}, siblings: true,
		libs: []string{"github.com/nlnwa/whatwg-url", "github.com/bwmarrin/snowflake"},
	},
}

// A unit is one package as its files declare it.
type unit struct {
	path       string   // within the module: "web/edge"
	imports    []string // by the code of the product, as import paths
	testsToo   []string // by its tests alone: bound by our own arrows, but free in what they take from elsewhere
	documented bool
}

// violations returns a sentence for each import that no arrow allows, and for each package without a comment.
func violations(units []unit) []string {
	var found []string
	for _, u := range units {
		if !u.documented {
			found = append(found, u.path+" has no package comment")
		}
		name, _, _ := strings.Cut(u.path, "/")
		r, ok := rooms[name]
		if !ok {
			found = append(found, u.path+" stands in no room")
			continue
		}
		for _, imported := range slices.Concat(u.imports, u.testsToo) {
			if other, ok := strings.CutPrefix(imported, module+"/"); ok && !r.mayImport(u.path, other) {
				found = append(found, u.path+" imports "+other)
			}
		}
		for _, imported := range u.imports {
			if r.libs != nil && foreign(imported) && !slices.ContainsFunc(r.libs, func(lib string) bool { return within(imported, lib) }) {
				found = append(found, u.path+" imports "+imported)
			}
		}
	}
	return found
}

func (r room) mayImport(self, other string) bool {
	if other == self { // an external test package
		return true
	}
	name, _, _ := strings.Cut(other, "/")
	if own, _, _ := strings.Cut(self, "/"); name == own {
		return r.siblings
	}
	return slices.Contains(r.ours, name)
}

// foreign reports whether an import path is neither ours nor the standard library's, whose first
// element has no dot.
func foreign(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestArrows(t *testing.T) {
	units := readUnits(t, repoRoot)
	if len(units) < 10 {
		t.Fatalf("found %d packages under %s, want the whole house", len(units), repoRoot)
	}
	for _, v := range violations(units) {
		t.Error(v)
	}
}

func TestArrowsThatAreCrossedAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		unit unit
		want string
	}{
		"web reaches into storage":           {unit{path: "web/api", imports: []string{"snowlink/storage/eventstore"}}, "web/api imports storage/eventstore"},
		"web reaches into storage in a test": {unit{path: "web/api", testsToo: []string{"snowlink/storage/eventstore"}}, "web/api imports storage/eventstore"},
		"storage reaches into web":           {unit{path: "storage/linkshards", imports: []string{"snowlink/web/edge"}}, "storage/linkshards imports web/edge"},
		"infra learns of links":              {unit{path: "infra/lru", imports: []string{"snowlink/shortener"}}, "infra/lru imports shortener"},
		"infra leans on a sibling":           {unit{path: "infra/queue", imports: []string{"snowlink/infra/lock"}}, "infra/queue imports infra/lock"},
		"the domain leans on a mechanism":    {unit{path: "shortener", imports: []string{"snowlink/infra/lru"}}, "shortener imports infra/lru"},
		"the domain takes a framework":       {unit{path: "shortener/ingest", imports: []string{"github.com/gin-gonic/gin"}}, "shortener/ingest imports github.com/gin-gonic/gin"},
		"a library by almost its name":       {unit{path: "shortener", imports: []string{"github.com/nlnwa/whatwg-urls"}}, "shortener imports github.com/nlnwa/whatwg-urls"},
		"somebody imports the root":          {unit{path: "web/api", imports: []string{"snowlink/cmd/snowlink/config"}}, "web/api imports cmd/snowlink/config"},
		"a room that is not in the plan":     {unit{path: "utils", imports: nil}, "utils stands in no room"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.unit.documented = true
			if got := violations([]unit{tc.unit}); !slices.Equal(got, []string{tc.want}) {
				t.Errorf("got %q, want %q alone", got, tc.want)
			}
		})
	}
	if got := violations([]unit{{path: "infra/lru"}}); !slices.Equal(got, []string{"infra/lru has no package comment"}) {
		t.Errorf("a package without a comment: got %q", got)
	}
}

func TestArrowsThatAreDrawnAreFree(t *testing.T) {
	for _, u := range []unit{
		{path: "cmd/snowlink/service", imports: []string{"snowlink/web/edge", "snowlink/storage/clickstore", "snowlink/infra/spool", "snowlink/cmd/snowlink/config"}},
		{path: "web/edge", imports: []string{"snowlink/shortener", "snowlink/infra/lru", "github.com/valyala/fasthttp"}},
		{path: "storage/eventstore", imports: []string{"snowlink/shortener", "database/sql"}, testsToo: []string{"snowlink/storage/storetest"}},
		{path: "infra/lru", imports: []string{"sync", "github.com/cespare/xxhash/v2"}, testsToo: []string{"snowlink/infra/lru", "pgregory.net/rapid"}},
		{path: "shortener/dispatch", imports: []string{"snowlink/shortener", "github.com/nlnwa/whatwg-url/url"}, testsToo: []string{"pgregory.net/rapid"}},
	} {
		u.documented = true
		if got := violations([]unit{u}); len(got) > 0 {
			t.Errorf("%s: got %q, want it allowed", u.path, got)
		}
	}
}

// readUnits reads every package of the module under root, whatever build tags its files carry.
func readUnits(t *testing.T, root string) []unit {
	t.Helper()
	units := map[string]*unit{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(root, file, entry.Name())
		case !strings.HasSuffix(file, ".go"):
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(rel)
		if units[dir] == nil {
			units[dir] = &unit{path: dir}
		}
		return units[dir].add(file)
	})
	if err != nil {
		t.Fatalf("read the packages: %v", err)
	}
	var all []unit
	for _, u := range units {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b unit) int { return strings.Compare(a.path, b.path) })
	return all
}

// enter decides whether a folder belongs to the module.
func enter(root, dir, name string) error {
	if dir == root {
		return nil
	}
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return filepath.SkipDir // another module
	}
	return nil
}

func (u *unit) add(file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(file, "_test.go")
	if parsed.Doc != nil && !test {
		u.documented = true
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if imported = path.Clean(imported); test {
			u.testsToo = append(u.testsToo, imported)
		} else {
			u.imports = append(u.imports, imported)
		}
	}
	return nil
}
