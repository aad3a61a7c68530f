package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// docLink is a link to a file of the repository: [text](path).
	docLink = regexp.MustCompile(`\]\(([^):#]+)\)`)
	// docPlace is a name that the reader is sent to a file for: `name` in [text](path).
	docPlace = regexp.MustCompile("`([A-Za-z_]+)`[^|`]*? in \\[[^\\]]+\\]\\(([^)]+)\\)")
)

// TestDocsNameWhatIsThere follows the documentation as a newcomer would: each file it links to exists,
// and each name it sends them to a file for stands in that file.
func TestDocsNameWhatIsThere(t *testing.T) {
	for _, doc := range []string{"README.md", "CHANGELOG.md", "docs/architecture.md", "deploy/README.md", "benchmarks/README.md"} {
		raw, err := os.ReadFile(filepath.Join(repoRoot, doc))
		if err != nil {
			t.Error(err)
			continue
		}
		text := string(raw)
		at := func(target string) string { return filepath.Join(repoRoot, filepath.Dir(doc), target) }
		for _, m := range docLink.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(at(m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
		for _, m := range docPlace.FindAllStringSubmatch(text, -1) {
			if held, err := os.ReadFile(at(m[2])); err != nil || !strings.Contains(string(held), m[1]) {
				t.Errorf("%s says that %s is in %s, and it is not", doc, m[1], m[2])
			}
		}
	}
}

// TestDocsAnswerTheNewcomer holds the map to the questions it must answer.
func TestDocsAnswerTheNewcomer(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repoRoot, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for question, answer := range map[string]string{
		"expiry":                       "shortener/decision.go",
		"the 404 page":                 "web/edge/pages/not-found.html",
		"the Redis key of a link":      "storage/linkshards/keys.go",
		"the dedupe of clicks":         "storage/clickstore/ingest.go",
		"the metric of dropped clicks": "web/edge/metrics.go",
	} {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(question) + ` \|.*$`).FindString(string(raw))
		if !strings.Contains(row, answer) {
			t.Errorf("%s: got row %q, want it to name %s", question, row, answer)
		}
	}
}
