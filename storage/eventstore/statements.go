package eventstore

import (
	"fmt"
	"io/fs"
	"strings"
)

// Statements are SQL statements by their names.
type Statements map[string]string

// ParseStatements reads the statements under their "-- name:" lines. What it reads is part of the
// program: it panics if that is not as it must be.
func ParseStatements(files fs.FS, names ...string) Statements {
	all := make(Statements)
	for _, file := range names {
		_, rest, _ := strings.Cut(MustRead(files, file), "-- name: ")
		for section := range strings.SplitSeq(rest, "-- name: ") {
			name, text, _ := strings.Cut(section, "\n")
			if _, twice := all[name]; twice || name == "" {
				panic(fmt.Sprintf("statement %q of %s is named twice or not at all", name, file))
			}
			all[name] = strings.TrimSuffix(strings.TrimSpace(text), ";")
		}
	}
	return all
}

// Get returns the text of a named statement.
func (s Statements) Get(name string) string {
	text, ok := s[name]
	if !ok {
		panic("no statement " + name)
	}
	return text
}

// MustRead returns a file that is part of the program.
func MustRead(files fs.FS, name string) string {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		panic(err)
	}
	return string(text)
}
