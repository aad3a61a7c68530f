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
