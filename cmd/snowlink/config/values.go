package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func list(value string) []string {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func applyRoles(c *Config, value string) error {
	c.Roles = list(value)
	for _, r := range c.Roles {
		if r != Edge && r != API && r != Worker {
			return fmt.Errorf("%q is not a role: use edge, api, worker", r)
		}
	}
	if len(c.Roles) == 0 {
		return errors.New("name at least one of edge, api, worker")
	}
	slices.Sort(c.Roles)
	c.Roles = slices.Compact(c.Roles)
	return nil
}

func checkListener(value string) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return fmt.Errorf("%q is not an address: use host:port or :port", value)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no valid port: use a number from 0 to 65535", value)
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil && strings.ContainsAny(host, " /") {
		return fmt.Errorf("%q is not a host", host)
	}
	return nil
}

func listener(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		*field(c) = value
		return checkListener(value)
	}
}

func applyAPIListen(c *Config, value string) error {
	if value == "" {
		return nil
	}
	c.APIListen = value
	return checkListener(value)
}

func applyAdvertise(c *Config, value string) error {
	if c.Advertise = value; value == "" {
		return nil
	}
	host, text, err := net.SplitHostPort(value)
	if n, wrong := strconv.Atoi(text); err != nil || host == "" || wrong != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not an address that others can reach: use host:port", value)
	}
	return nil
}

// shortestSecret is the length of a secret that cannot be guessed.
const shortestSecret = 16

func applyClusterSecret(c *Config, value string) error {
	if c.ClusterSecret = value; value != "" && len(value) < shortestSecret {
		return fmt.Errorf("a cluster secret has at least %d characters", shortestSecret)
	}
	return nil
}

func applyCoordination(c *Config, value string) error {
	if c.Coordination = value; value == "" || isAddress(value, "redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix") {
		return nil
	}
	return fmt.Errorf("%q: use redis://host:port, or redis+sentinel://host,host/master", Redact(value))
}

func nonEmpty(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if *field(c) = value; value == "" {
			return errors.New("must not be empty")
		}
		return nil
	}
}

func applyBaseURL(c *Config, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not a base URL: use http(s)://host[:port] without a path", value)
	}
	c.BaseURL = u.Scheme + "://" + strings.ToLower(u.Host)
	return nil
}

func applyDomains(c *Config, value string) error {
	for _, d := range list(value) {
		d = strings.ToLower(d)
		if strings.ContainsAny(d, "/@ ?#") {
			return fmt.Errorf("%q is not a host", d)
		}
		c.Domains = append(c.Domains, d)
	}
	return nil
}

func embeddedShards(value string) (int, bool) {
	n, ok := strings.CutPrefix(value, "embedded:")
	if !ok {
		return 0, false
	}
	shards, err := strconv.Atoi(n)
	return shards, err == nil
}

func applyRedis(c *Config, value string) error {
	c.Redis = value
	if strings.HasPrefix(value, "embedded") {
		if n, ok := embeddedShards(value); !ok || n < 1 || n > 64 {
			return fmt.Errorf("%q: use embedded:N with N from 1 to 64", value)
		}
		return nil
	}
	if value == "" || !strings.Contains(value, "=") {
		return fmt.Errorf("%q: use embedded:N, or named shards a=redis://host:port,b=redis://…", Redact(value))
	}
	return nil // the shards' addresses are checked by those who dial them
}

func applyEventStore(c *Config, value string) error {
	if c.EventStore = value; value == SQLite || isAddress(value, "postgres", "postgresql") {
		return nil
	}
	return fmt.Errorf("%q: use sqlite, or postgres://user:password@host:port/database", Redact(value))
}

func applyClickStore(c *Config, value string) error {
	if c.ClickStore = value; value == DuckDB || isAddress(value, "clickhouse") {
		return nil
	}
	return fmt.Errorf("%q: use duckdb, or clickhouse://user:password@host:8123/database", Redact(value))
}

// isAddress reports whether value looks like an address of one of the schemes; the rest is checked by
// those who dial it.
func isAddress(value string, schemes ...string) bool {
	scheme, rest, ok := strings.Cut(value, "://")
	return ok && rest != "" && slices.Contains(schemes, scheme)
}

func applyGeoDB(c *Config, value string) error {
	if value == "" {
		return nil
	}
	c.GeoDB = value
	if _, err := os.Stat(value); err != nil {
		return fmt.Errorf("cannot read the geo database: %w", err)
	}
	return nil
}

func applyTrustedProxies(c *Config, value string) error {
	for _, p := range list(value) {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			addr, err := netip.ParseAddr(p)
			if err != nil {
				return fmt.Errorf("%q is not a network: use 10.0.0.0/8 or an address", p)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix.Masked())
	}
	return nil
}

func applyAdminKey(c *Config, value string) error {
	if value == "" {
		return nil
	}
	c.AdminKey = value
	if !strings.HasPrefix(value, "slk_") || len(value) < 8 || len(value) > 200 {
		return errors.New("an API key begins with slk_ and has 8 to 200 characters")
	}
	return nil
}

func applyNodeID(c *Config, value string) error {
	if c.NodeID = -1; value == "" {
		return nil
	}
	return number(func(c *Config) *int { return &c.NodeID }, 0, 31)(c, value)
}

func oneOf(field func(*Config) *string, allowed ...string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if *field(c) = value; !slices.Contains(allowed, value) {
			return fmt.Errorf("%q: use one of %s", value, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func number(field func(*Config) *int, least, most int) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q: use a number from %d to %d", value, least, most)
		}
		*field(c) = n
		return nil
	}
}

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}

func parseSize(value string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(value, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a size: use 64MiB, 1GiB or a number of bytes", value)
}

func size(field func(*Config) *int64, least int64) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := parseSize(value)
		if err != nil {
			return err
		}
		if *field(c) = n; n < least {
			return fmt.Errorf("%q: at least %d MiB", value, least>>20)
		}
		return nil
	}
}

func applyClickMemory(c *Config, value string) error {
	n, err := parseSize(value)
	if err != nil {
		return err
	}
	if n < 128<<20 {
		return fmt.Errorf("%q: at least 128MiB", value)
	}
	c.ClickMemory = fmt.Sprintf("%dMiB", n>>20)
	return nil
}

var periods = map[string]float64{"s": 1, "m": 60, "h": 3600}

// ParseRate reads "1000/s", "10/m:50" or "0". Without a burst it is one second's worth, at least one.
func ParseRate(value string) (Rate, error) {
	wrong := fmt.Errorf("%q is not a rate: use 100/s, 10/m:50 (with a burst) or 0 for no limit", value)
	if value == "0" {
		return Rate{}, nil
	}
	text, burst, hasBurst := strings.Cut(value, ":")
	count, period, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(count, 64)
	if err != nil || !(n > 0 && n < 1e9) || periods[period] == 0 {
		return Rate{}, wrong
	}
	r := Rate{PerSecond: n / periods[period], Burst: max(1, int(n/periods[period]))}
	if hasBurst {
		if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 {
			return Rate{}, wrong
		}
	}
	return r, nil
}

func rate(field func(*Config) *Rate) func(*Config, string) error {
	return func(c *Config, value string) (err error) {
		*field(c), err = ParseRate(value)
		return err
	}
}

func applyShutdownTimeout(c *Config, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second {
		return fmt.Errorf("%q is not a time: use 15s, at least 1s", value)
	}
	c.ShutdownTimeout = d
	return nil
}

func applyDrainDelay(c *Config, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 1s; 0s is none", value)
	}
	c.DrainDelay = d
	return nil
}
