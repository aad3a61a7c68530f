package config

import "strings"

// A setting is one thing an operator may say: the name is the flag's and, with its dashes kept, the
// key in the file.
type setting struct {
	name     string
	fallback string
	usage    string
	secret   bool // never shown
	address  bool // shown without the passwords it may hold
	apply    func(c *Config, value string) error
}

// inFile reports whether the value may stand in a file of its own, which SNOWLINK_…_FILE names.
func (s setting) inFile() bool { return s.secret || s.address }

// env returns the name of the setting's environment variable.
func (s setting) env() string {
	return "SNOWLINK_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// settings is the one list of everything that can be configured, in the order in which it is shown.
var settings = []setting{
	{name: "role", fallback: "edge,api,worker", usage: "roles this process plays; others need the same cluster-secret, redis and coordination", apply: applyRoles},
	{name: "listen", fallback: ":8080", usage: "address of the public listener", apply: listener(func(c *Config) *string { return &c.Listen })},
	{name: "api-listen", fallback: "", usage: "address of the api role; in memory when one process plays all roles, else :8081", apply: applyAPIListen},
	{name: "advertise", fallback: "", usage: "host:port under which edges reach the api role; its listener if not given", apply: applyAdvertise},
	{name: "cluster-secret", fallback: "", usage: "what the processes of an installation know each other by; needed when roles are split", secret: true, apply: applyClusterSecret},
	{name: "admin-listen", fallback: "127.0.0.1:9090", usage: "address of health, metrics and pprof; keep it private", apply: listener(func(c *Config) *string { return &c.AdminListen })},
	{name: "data-dir", fallback: "./data", usage: "folder of the embedded stores and of the click spool", apply: nonEmpty(func(c *Config) *string { return &c.DataDir })},
	{name: "base-url", fallback: "", usage: "what short URLs begin with, https://sho.rt; from the listener if not given", apply: applyBaseURL},
	{name: "domains", fallback: "", usage: "further hosts that links may belong to, by commas", apply: applyDomains},
	{name: "redis", fallback: "embedded:3", usage: "link shards: embedded:N, or a=redis://host:port,b=redis://…", address: true, apply: applyRedis},
	{name: "coordination", fallback: "", usage: "Redis of leases, locks and the registry, redis://host:port; the first shard if not given", address: true, apply: applyCoordination},
	{name: "event-store", fallback: "sqlite", usage: "where links are kept: sqlite (in the data folder), or postgres://user:password@host/database", address: true, apply: applyEventStore},
	{name: "click-store", fallback: "duckdb", usage: "where clicks are kept: duckdb (in the data folder), or clickhouse://user:password@host:8123/database", address: true, apply: applyClickStore},
	{name: "geo-db", fallback: "", usage: "path of an MMDB with countries or cities; reloaded when it changes", apply: applyGeoDB},
	{name: "trusted-proxies", fallback: "", usage: "networks whose X-Forwarded-For is believed, by commas", apply: applyTrustedProxies},
	{name: "admin-key", fallback: "", usage: "an owner key to accept (slk_…); the first start makes one if not given", secret: true, apply: applyAdminKey},
	{name: "node-id", fallback: "", usage: "fixed number of this code generator, 0 to 31; leased if not given", apply: applyNodeID},
	{name: "click-durability", fallback: "process", usage: "process: a click survives SIGKILL; power: it is on the disk before the answer", apply: oneOf(func(c *Config) *string { return &c.ClickDurability }, "process", "power")},
	{name: "spool-max", fallback: "1GiB", usage: "disk the click spool may take while the click store is away", apply: size(func(c *Config) *int64 { return &c.SpoolBytes }, 64<<20)},
	{name: "cache-max", fallback: "128MiB", usage: "memory for hot links at the edge", apply: size(func(c *Config) *int64 { return &c.CacheBytes }, 1<<20)},
	{name: "click-memory", fallback: "512MiB", usage: "memory the embedded click store may take", apply: applyClickMemory},
	{name: "click-threads", fallback: "2", usage: "threads the embedded click store may use", apply: number(func(c *Config) *int { return &c.ClickThreads }, 1, 256)},
	{name: "limit-key", fallback: "1000/s:2000", usage: "calls of one API key, each link of a batch being one, as rate:burst; 0 for no limit", apply: rate(func(c *Config) *Rate { return &c.LimitKey })},
	{name: "limit-unknown", fallback: "20/s:200", usage: "unknown codes asked for by one address; 0 for no limit", apply: rate(func(c *Config) *Rate { return &c.LimitUnknown })},
	{name: "limit-wrong-keys", fallback: "10/m:50", usage: "wrong API keys tried by one address; 0 for no limit", apply: rate(func(c *Config) *Rate { return &c.LimitWrongKeys })},
	{name: "log-level", fallback: "info", usage: "debug, info, warn or error", apply: oneOf(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
	{name: "edge-log-sample", fallback: "0", usage: "log one redirect in this many; 0 for none", apply: number(func(c *Config) *int { return &c.EdgeLogSample }, 0, 1<<30)},
	{name: "shutdown-timeout", fallback: "15s", usage: "time a stop may take before what is left is cut off", apply: applyShutdownTimeout},
	{name: "drain-delay", fallback: "1s", usage: "time at a stop in which /readyz says 503 and visitors are still served, so that balancers see it", apply: applyDrainDelay},
}
