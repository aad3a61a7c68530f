package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"snowlink/storage/eventstore"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// schemas lead from each version of the schema to the next: the first one makes an empty database one of
// ours.
var schemas = []string{eventstore.MustRead(sqlFiles, "sql/schema.sql"), eventstore.MustRead(sqlFiles, "sql/schema2.sql"), eventstore.MustRead(sqlFiles, "sql/schema3.sql")}

// statements holds every named statement of the other files in sql.
var statements = eventstore.ParseStatements(sqlFiles,
	"sql/append.sql", "sql/copy.sql", "sql/links.sql", "sql/events.sql", "sql/rebuild.sql", "sql/keys.sql", "sql/secrets.sql", "sql/membership.sql")

// prepared are named statements, ready on one connection or pool. It is safe for concurrent use if
// that is.
type prepared map[string]*sql.Stmt

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepare(ctx context.Context, on preparer, names ...string) (prepared, error) {
	p := make(prepared, len(names))
	for _, name := range names {
		stmt, err := on.PrepareContext(ctx, statements.Get(name))
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
