package postgres

import (
	"embed"

	"snowlink/storage/eventstore"
)

//go:embed sql/*.sql sql/migrations/*.sql
var sqlFiles embed.FS

// migrations lead from each version of the schema to the next: the first one makes an empty schema one
// of ours.
var migrations = []string{eventstore.MustRead(sqlFiles, "sql/migrations/0001.sql"), eventstore.MustRead(sqlFiles, "sql/migrations/0002.sql")}

// sql holds every named statement of the files in sql.
var sql = eventstore.ParseStatements(sqlFiles,
	"sql/append.sql", "sql/copy.sql", "sql/events.sql", "sql/keys.sql", "sql/links.sql", "sql/membership.sql", "sql/migrate.sql",
	"sql/rebuild.sql", "sql/secrets.sql", "sql/session.sql")
