// Package config reads what an operator says: a flag wins over SNOWLINK_*, which wins over the file,
// which wins over the default. Everything that is wrong is reported at once, and nothing is started
// on a configuration that has a fault.
package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is a configuration whose values have all been checked.
type Config struct {
	Roles       []string
	Listen      string // address of the public listener
	APIListen   string // "" for in memory
	Advertise   string // where others reach the api role; "" for its listener
	AdminListen string
	DataDir     string
	BaseURL     string   // "" until the listener is known
	Domains     []string // further hosts that links may belong to

	Redis         string
	Coordination  string // "" for the first of the shards
	ClusterSecret string // what the roles of an installation know each other by; "" if it is drawn
	EventStore    string
	ClickStore    string
	GeoDB         string

	TrustedProxies []netip.Prefix
	AdminKey       string
	NodeID         int // -1: leased

	ClickDurability string
	SpoolBytes      int64
	CacheBytes      int64
	ClickMemory     string
	ClickThreads    int

	LimitKey       Rate
	LimitUnknown   Rate
	LimitWrongKeys Rate

	LogLevel        string
	EdgeLogSample   int // one answered redirect in this many is logged; 0: none
	ShutdownTimeout time.Duration
	DrainDelay      time.Duration
}

// The roles of a process.
const (
	Edge   = "edge"
	API    = "api"
	Worker = "worker"
)

// Plays reports whether the process plays a role.
func (c Config) Plays(role string) bool { return slices.Contains(c.Roles, role) }

// Split reports whether other processes play roles that this one does not.
func (c Config) Split() bool { return len(c.Roles) < 3 }

// Postgres reports whether the event store is a PostgreSQL, which several processes can reach.
func (c Config) Postgres() bool {
	return strings.HasPrefix(c.EventStore, "postgres://") || strings.HasPrefix(c.EventStore, "postgresql://")
}

// ClickHouse reports whether the click store is a ClickHouse, which several processes can reach.
func (c Config) ClickHouse() bool { return c.ClickStore != DuckDB }

// Rate is a token bucket as the operator writes it: "1000/s", "10/m:50" with a burst, "0" for no
// limit at all.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Unlimited reports whether the rate is no limit.
func (r Rate) Unlimited() bool { return r.PerSecond == 0 }

// Embedded reports whether the Redis shards live in this process, and how many there are.
func (c Config) Embedded() (shards int, ok bool) { return embeddedShards(c.Redis) }
