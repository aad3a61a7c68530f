package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSectionsAreReplacedInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	for _, section := range []struct{ title, body string }{
		{"Redirects", "first"}, {"Creates", "other"}, {"Redirects", "second"},
	} {
		if err := Write(path, section.title, "make", []string{"go 1"}, section.body); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if strings.Contains(text, "first") || strings.Count(text, "## Redirects") != 1 {
		t.Errorf("the old section is still there:\n%s", text)
	}
	if r, c := strings.Index(text, "second"), strings.Index(text, "## Creates"); r < 0 || c < r {
		t.Errorf("the new section is not where the old one was:\n%s", text)
	}
	if !strings.Contains(text, "\n\n## Creates") {
		t.Errorf("sections run into each other:\n%s", text)
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values Spread
		want   string
	}{
		{Spread{3, 1, 2}, "2.0 (1.0 – 3.0)"},
		{Spread{4, 1}, "2.5 (1.0 – 4.0)"},
		{Spread{7}, "7.0 (7.0 – 7.0)"},
	} {
		if got := tc.values.String(); got != tc.want {
			t.Errorf("%v: got %s, want %s", []float64(tc.values), got, tc.want)
		}
	}
}
