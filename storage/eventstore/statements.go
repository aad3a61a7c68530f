package eventstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// schemas lead from each version of the schema to the next: the first one makes an empty database one of
// ours.
var schemas = []string{mustRead("sql/schema.sql"), mustRead("sql/schema2.sql")}

// statements holds every named statement of the other files in sql.
var statements = parseStatements("append", "links", "list", "events", "rebuild", "keys", "secrets", "membership")

func mustRead(name string) string {
	text, err := sqlFiles.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// parseStatements reads the statements under their "-- name:" lines.
func parseStatements(files ...string) map[string]string {
	all := make(map[string]string)
	for _, file := range files {
		_, rest, _ := strings.Cut(mustRead("sql/"+file+".sql"), "-- name: ")
		for _, section := range strings.Split(rest, "-- name: ") {
			name, text, _ := strings.Cut(section, "\n")
			if _, twice := all[name]; twice || name == "" {
				panic(fmt.Sprintf("statement %q of sql/%s.sql is named twice or not at all", name, file))
			}
			all[name] = strings.TrimSuffix(strings.TrimSpace(text), ";")
		}
	}
	return all
}

// statement returns the text of a named statement.
func statement(name string) string {
	text, ok := statements[name]
	if !ok {
		panic("no statement " + name)
	}
	return text
}

// prepared are named statements, ready on one connection or pool. It is safe for concurrent use if
// that is.
type prepared map[string]*sql.Stmt

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepare(ctx context.Context, on preparer, names ...string) (prepared, error) {
	p := make(prepared, len(names))
	for _, name := range names {
		stmt, err := on.PrepareContext(ctx, statement(name))
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", name, err)
		}
		p[name] = stmt
	}
	return p, nil
}

// get returns the statement of that name.
func (p prepared) get(name string) *sql.Stmt {
	stmt, ok := p[name]
	if !ok {
		panic("statement " + name + " was not prepared")
	}
	return stmt
}
