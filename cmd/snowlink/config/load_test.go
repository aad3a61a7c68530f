package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"snowlink/cmd/snowlink/config"
)

func load(t *testing.T, env map[string]string, args ...string) (config.Config, []config.Value, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatalf("parse flags: %v", err)
	}
	return config.Load(flags, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snowlink.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreValid(t *testing.T) {
	cfg, _, err := load(t, nil)
	if err != nil {
		t.Fatalf("Load() of nothing: %v", err)
	}
	if n, embedded := cfg.Embedded(); !embedded || n != 3 {
		t.Errorf("Embedded() = %d, %v, want 3, true", n, embedded)
	}
	if cfg.LimitWrongKeys.Burst != 50 || cfg.LimitWrongKeys.PerSecond*60 != 10 {
		t.Errorf("LimitWrongKeys = %+v, want 10 a minute with a burst of 50", cfg.LimitWrongKeys)
	}
}

func TestTheStrongerOriginWins(t *testing.T) {
	path := file(t, `listen = ":3"`)
	for _, tc := range []struct {
		name   string
		env    map[string]string
		args   []string
		want   string
		origin config.Origin
	}{
		{"default", nil, nil, ":8080", config.FromDefault},
		{"file over default", nil, []string{"--config", path}, ":3", config.FromFile},
		{"environment over file", map[string]string{"SNOWLINK_LISTEN": ":2"}, []string{"--config", path}, ":2", config.FromEnv},
		{"flag over environment", map[string]string{"SNOWLINK_LISTEN": ":2"}, []string{"--config", path, "--listen", ":1"}, ":1", config.FromFlag},
		{"file named by the environment", map[string]string{"SNOWLINK_CONFIG": path}, nil, ":3", config.FromFile},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, values, err := load(t, tc.env, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Listen != tc.want {
				t.Errorf("Listen = %q, want %q", cfg.Listen, tc.want)
			}
			for _, v := range values {
				if v.Name == "listen" && v.Origin != tc.origin {
					t.Errorf("origin = %q, want %q", v.Origin, tc.origin)
				}
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	path := file(t, "lissten = \":1\"\nclick-threads = 0\n")
	_, _, err := load(t, map[string]string{"SNOWLINK_CACHE_MAX": "much"}, "--config", path, "--listen", "nowhere", "--role", "edge,baker")
	if err == nil {
		t.Fatal("Load() accepted five faults")
	}
	for _, want := range []string{`unknown key "lissten"`, "--click-threads", "SNOWLINK_CACHE_MAX", "--listen", `"baker" is not a role`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s:\n%v", want, err)
		}
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--listen", ":99999"},
		{"--base-url", "ftp://x"},
		{"--base-url", "https://x/path"},
		{"--redis", "embedded:0"},
		{"--redis", "localhost:6379"},
		{"--event-store", "mysql://x"},
		{"--role", "edge"},
		{"--admin-key", "slk_"},
		{"--admin-key", "without-prefix"},
		{"--node-id", "32"},
		{"--click-durability", "hope"},
		{"--spool-max", "1MiB"},
		{"--limit-key", "10/y"},
		{"--limit-key", "-1/s"},
		{"--trusted-proxies", "10.0.0.0/40"},
		{"--geo-db", "/does/not/exist.mmdb"},
		{"--shutdown-timeout", "0s"},
		{"--api-listen", ":8080"},
	} {
		if _, _, err := load(t, nil, args...); err == nil {
			t.Errorf("Load(%q) accepted it", args)
		}
	}
}

func TestSecrets(t *testing.T) {
	secret := "slk_0123456789abcdefghij"
	path := file(t, secret+"\n")
	cfg, values, err := load(t, map[string]string{"SNOWLINK_ADMIN_KEY_FILE": path}, "--redis", "a=redis://me:hunter2@localhost:6379")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.AdminKey != secret {
		t.Errorf("AdminKey = %q, want the content of the file", cfg.AdminKey)
	}
	for _, v := range values {
		if strings.Contains(v.Text, secret) || strings.Contains(v.Text, "hunter2") {
			t.Errorf("%s is shown as %q, want it redacted", v.Name, v.Text)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	for text, want := range map[string]string{
		"embedded:3":              "embedded:3",
		"redis://h:6379":          "redis://h:6379",
		"postgres://u:p@h:5432/d": "postgres://u:xxxxx@h:5432/d",
		"postgres://u:p,q@h1:1,h2:2/d?sslmode=disable":                     "postgres://u:xxxxx@h1:1,h2:2/d?sslmode=disable",
		"postgres://u@h/d?password=p&x=y":                                  "postgres://u@h/d?password=xxxxx&x=y",
		"postgres://u:%zz@h":                                               "postgres://u:xxxxx@h",
		"postgres://u:a/b?c@h":                                             "postgres://u:xxxxx@h",
		"a=redis://u:p,q@h:1,b=rediss://:r@h:2/0":                          "a=redis://u:xxxxx@h:1,b=rediss://:xxxxx@h:2/0",
		"a=redis+sentinel://u:p@h:1,h:2/m?sentinel_password=s,b=redis://h": "a=redis+sentinel://u:xxxxx@h:1,h:2/m?sentinel_password=xxxxx,b=redis://h",
	} {
		if got := config.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestAddressesMayStandInFiles(t *testing.T) {
	const address = "postgres://snow:hunter2@db/links"
	for env, got := range map[string]func(config.Config) string{
		"SNOWLINK_EVENT_STORE_FILE":  func(c config.Config) string { return c.EventStore },
		"SNOWLINK_COORDINATION_FILE": func(c config.Config) string { return c.Coordination },
		"SNOWLINK_REDIS_FILE":        func(c config.Config) string { return c.Redis },
	} {
		want := map[string]string{"SNOWLINK_EVENT_STORE_FILE": address, "SNOWLINK_COORDINATION_FILE": "redis://:hunter2@r", "SNOWLINK_REDIS_FILE": "a=redis://:hunter2@r"}[env]
		cfg, values, err := load(t, map[string]string{env: file(t, want+"\n")})
		if err != nil {
			t.Errorf("%s: %v", env, err)
			continue
		}
		if got(cfg) != want {
			t.Errorf("%s: got %q, want the content of the file", env, got(cfg))
		}
		for _, v := range values {
			if strings.Contains(v.Text, "hunter2") {
				t.Errorf("%s is shown as %q, want no password", v.Name, v.Text)
			}
		}
	}
}

func TestRolesThatSplit(t *testing.T) {
	const (
		shards   = "--redis=a=redis://h1:6379,b=redis://h2:6379"
		postgres = "--event-store=postgres://u:hunter2@h/d"
		secret   = "--cluster-secret=0123456789abcdef"

		clickhouse = "--click-store=clickhouse://u:hunter2@h:8123/d"
	)
	for _, tc := range []struct {
		name string
		args []string
		want []string // in the error; none: it is accepted
	}{
		{"all roles on embedded stores", nil, nil},
		{"all roles on PostgreSQL", []string{postgres}, nil},
		{"an edge alone needs no store", []string{"--role=edge", shards, secret}, nil},
		{"api and worker share SQLite and DuckDB", []string{"--role=api,worker", shards, secret}, nil},
		{"so do edge, api and worker under any order of names", []string{"--role=worker,edge,api", shards}, nil},
		{"api and worker on PostgreSQL", []string{"--role=api,worker", shards, secret, postgres}, nil},
		{"an edge on embedded shards", []string{"--role=edge", secret}, []string{"--role edge", "embedded shards belong to one process", "--redis a=redis://"}},
		{"api and worker on embedded shards", []string{"--role=api,worker", secret}, []string{"--role api,worker", "embedded shards belong to one process"}},
		{"an edge without a secret", []string{"--role=edge", shards}, []string{"--role edge", "SNOWLINK_CLUSTER_SECRET", "16 characters"}},
		{"a short secret", []string{"--role=edge", shards, "--cluster-secret=short"}, []string{"at least 16 characters"}},
		{"an api on SQLite", []string{"--role=api", shards, secret}, []string{"--role api: sqlite belongs to one process", "postgres://", "--role api: duckdb belongs to one process", "clickhouse://"}},
		{"a worker on SQLite", []string{"--role=worker", shards, secret}, []string{"--role worker: sqlite", "--role worker: duckdb"}},
		{"edge and api without the worker", []string{"--role=edge,api", shards, secret}, []string{"--role api,edge: sqlite"}},
		{"edge and worker without the api", []string{"--role=edge,worker", shards, secret}, []string{"--role edge,worker: duckdb"}},
		{"an api on PostgreSQL and DuckDB", []string{"--role=api", shards, secret, postgres}, []string{"--role api: duckdb belongs to one process"}},
		{"everything wrong at once", []string{"--role=api"}, []string{"embedded shards", "sqlite", "duckdb", "SNOWLINK_CLUSTER_SECRET"}},
		{"no role", []string{"--role="}, []string{"name at least one of edge, api, worker"}},
		{"a store nobody knows", []string{"--event-store=mysql://u:hunter2@h"}, []string{"mysql://u:xxxxx@h", "postgres://"}},
		{"clicks in a store nobody knows", []string{"--click-store=mysql://u:hunter2@h"}, []string{"mysql://u:xxxxx@h", "clickhouse://"}},
		{"all roles on ClickHouse", []string{clickhouse}, nil},
		{"an api on PostgreSQL and ClickHouse", []string{"--role=api", shards, secret, postgres, clickhouse}, nil},
		{"a worker on PostgreSQL and ClickHouse", []string{"--role=worker", shards, secret, postgres, clickhouse}, nil},
		{"a worker on SQLite and ClickHouse", []string{"--role=worker", shards, secret, clickhouse}, []string{"--role worker: sqlite"}},
		{"coordination that is no Redis", []string{"--coordination=http://h"}, []string{"redis://host:port"}},
		{"an address nobody can reach", []string{"--advertise=:8081"}, []string{"others can reach"}},
		{"one port for two listeners", []string{"--api-listen=:8080"}, []string{"--api-listen and --listen are both :8080"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := load(t, nil, tc.args...)
			if len(tc.want) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted, want an error with %q", tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds a password:\n%v", err)
			}
		})
	}
}

func TestTheAPIListensWhenOthersAreEdges(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"--api-listen=:1"}, ":1"},
		{[]string{"--role=api,worker", "--redis=a=redis://h", "--cluster-secret=0123456789abcdef"}, ":8081"},
		{[]string{"--role=edge", "--redis=a=redis://h", "--cluster-secret=0123456789abcdef"}, ""},
	} {
		cfg, _, err := load(t, nil, tc.args...)
		if err != nil || cfg.APIListen != tc.want {
			t.Errorf("%q: APIListen = %q, %v, want %q", tc.args, cfg.APIListen, err, tc.want)
		}
	}
}

func TestCorruptFileNamesThePlace(t *testing.T) {
	_, _, err := load(t, nil, "--config", file(t, "listen = \":1\"\nlisten = = 2\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error = %v, want one that names line 2", err)
	}
}

func TestUnknownFlags(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags)
	got := config.UnknownFlags(flags, []string{"--listen", ":1", "--lisen=:2", "--port", "3", "-z", "--", "--after"})
	if len(got) != 3 {
		t.Errorf("UnknownFlags() = %v, want --lisen, --port and -z", got)
	}
}

func FuzzRedactKeepsNoPassword(f *testing.F) {
	f.Add("a=redis://u:topsecret@h:1,b=redis://h:2")
	f.Add("postgres://u:topsecret@h/db")
	f.Fuzz(func(t *testing.T, text string) {
		_ = config.Redact(text)
		if out := config.Redact("a=redis://u:topsecret@h:1," + text); strings.HasPrefix(out, "a=redis://u:topsecret@") {
			t.Errorf("Redact left the password: %q", out)
		}
	})
}
