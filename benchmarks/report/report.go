// Package report keeps RESULTS.md: each benchmark owns one section and replaces it when it is run.
package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"snowlink/benchmarks/rig"
)

const opening = `# Results

Each section is written by the program it names, on the machine it names. Figures compare what was measured in one run on
one machine; they do not compare across sections or machines.
`

// Write replaces the section with the title in the file, or appends it. The section begins with where,
// when and by which command it was made.
func Write(path, title, command string, versions []string, body string) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = []byte(opening), nil
	}
	if err != nil {
		return err
	}
	section := fmt.Sprintf("## %s\n\n`%s`, %s. %s; %s.\n\n%s\n", title, strings.TrimSpace(command), time.Now().UTC().Format(time.DateOnly),
		rig.Machine(), strings.Join(versions, ", "), strings.TrimSpace(body))
	return os.WriteFile(path, []byte(replace(string(old), title, section)), 0o644)
}

// replace puts section where the section with the title stands in text, or behind all others.
func replace(text, title, section string) string {
	parts := strings.Split(text, "\n## ")
	for i, part := range parts[1:] {
		if name, _, _ := strings.Cut(part, "\n"); name == title {
			parts[i+1] = strings.TrimPrefix(section, "## ")
			return strings.Join(parts, "\n## ")
		}
	}
	return strings.Join(append(parts, strings.TrimPrefix(section, "## ")), "\n## ")
}

// Spread is what several rounds of one measurement gave.
type Spread []float64

// Median returns the value in the middle.
func (s Spread) Median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// String returns the median and the extremes.
func (s Spread) String() string {
	return fmt.Sprintf("%.1f (%.1f – %.1f)", s.Median(), slices.Min(s), slices.Max(s))
}
