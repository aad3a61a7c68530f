package config

import "strings"

// The stores that belong to one process, with the data folder that they are in.
const (
	SQLite = "sqlite"
	DuckDB = "duckdb"
)

// checkTogether reports values that are right alone and wrong together.
func (l *loader) checkTogether(c Config) {
	if c.Split() && len(c.Roles) > 0 {
		l.checkSplit(c, "--role "+strings.Join(c.Roles, ","))
	}
	if c.APIListen != "" && c.APIListen == c.Listen && c.Plays(Edge) {
		l.fail("--api-listen and --listen are both %s: give each its own port", c.Listen)
	}
}

// checkSplit reports what a process that does not play all roles lacks.
func (l *loader) checkSplit(c Config, roles string) {
	if _, embedded := c.Embedded(); embedded {
		l.fail("%s: the embedded shards belong to one process, and others could not reach them:"+
			" name shards on Redis by --redis a=redis://host:port,…, or use --role edge,api,worker", roles)
	}
	if c.Plays(API) != c.Plays(Worker) {
		l.checkShared(c, roles)
	}
	if c.ClusterSecret == "" {
		l.fail("%s: the processes of an installation must know each other: give all of them the same"+
			" SNOWLINK_CLUSTER_SECRET, of at least %d characters", roles, shortestSecret)
	}
}

// checkShared reports stores that the api and the worker, in two processes, cannot both reach.
func (l *loader) checkShared(c Config, roles string) {
	const need = "%s: %s belongs to one process, and the api and the worker both need it: use --role api,worker, or %s"
	if c.EventStore == SQLite {
		l.fail(need, roles, "sqlite", "--event-store postgres://…, which several processes can reach")
	}
	if c.ClickStore == DuckDB {
		l.fail(need, roles, "duckdb", "--click-store clickhouse://…, which several processes can reach")
	}
}
