package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// Origin tells where a value came from.
type Origin string

// The origins of a value, the strongest first.
const (
	FromFlag    Origin = "flag"
	FromEnv     Origin = "environment"
	FromFile    Origin = "file"
	FromDefault Origin = "default"
)

// Value is one setting as it was given.
type Value struct {
	Name   string `json:"name"`
	Text   string `json:"value"` // redacted if secret
	Origin Origin `json:"origin"`
}

// Errors are all the faults of a configuration.
type Errors []error

func (e Errors) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d fault(s):", len(e))
	for _, err := range e {
		b.WriteString("\n  - " + err.Error())
	}
	return b.String()
}

// AddFlags registers a flag for every setting, and --config. All are strings, so that a bad value is
// reported with the other faults rather than instead of them.
func AddFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "file with settings (TOML), env SNOWLINK_CONFIG")
	for _, s := range settings {
		usage := fmt.Sprintf("%s (env %s)", s.usage, s.env())
		flags.String(s.name, s.fallback, usage)
	}
}

// Load reads the configuration from the flags given, the environment and the file they name. The
// error is of type Errors and holds every fault found.
func Load(flags *pflag.FlagSet, environ func(string) (string, bool)) (Config, []Value, error) {
	l := loader{flags: flags, environ: environ}
	l.readFile()
	l.checkEnv()
	var c Config
	values := make([]Value, 0, len(settings))
	for _, s := range settings {
		text, origin := l.lookup(s)
		if err := s.apply(&c, text); err != nil {
			l.fail("%s (from %s): %w", describe(s, origin), origin, err)
		}
		values = append(values, Value{Name: s.name, Text: shown(s, text), Origin: origin})
	}
	if c.Split() && c.Plays(API) && c.APIListen == "" {
		c.APIListen = splitAPIListen
	}
	l.checkTogether(c)
	if len(l.faults) > 0 {
		return Config{}, values, Errors(l.faults)
	}
	return c, values, nil
}

// splitAPIListen is where the api role listens if edges are other processes, and nothing else is said.
const splitAPIListen = ":8081"

type loader struct {
	flags   *pflag.FlagSet
	environ func(string) (string, bool)
	file    map[string]string
	faults  []error
}

func (l *loader) fail(format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf(format, args...))
}

// readFile reads the TOML file, if one is named. Every key in it must be a setting.
func (l *loader) readFile() {
	path, _ := l.environ("SNOWLINK_CONFIG")
	if f := l.flags.Lookup("config"); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path == "" {
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		l.fail("config file: %w", err)
		return
	}
	var content map[string]any
	if err := toml.Unmarshal(raw, &content); err != nil {
		if d, ok := errors.AsType[*toml.DecodeError](err); ok {
			row, column := d.Position()
			l.fail("config file %s, line %d, column %d: %s", path, row, column, d.Error())
			return
		}
		l.fail("config file %s: %w", path, err)
		return
	}
	l.file = make(map[string]string, len(content))
	for key, value := range content {
		if !known(key) {
			l.fail("config file %s: unknown key %q", path, key)
			continue
		}
		switch v := value.(type) {
		case string, int64, float64, bool:
			l.file[key] = fmt.Sprint(v)
		case []any:
			parts := make([]string, len(v))
			for i := range v {
				parts[i] = fmt.Sprint(v[i])
			}
			l.file[key] = strings.Join(parts, ",")
		default:
			l.fail("config file %s: key %q: use a text, a number or a list of texts", path, key)
		}
	}
}

// checkEnv reports variables that look like settings and are none: a typo there would otherwise go
// unnoticed for ever.
func (l *loader) checkEnv() {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "SNOWLINK_") || knownEnv(name) || fromKubernetes(name) {
			continue
		}
		if _, set := l.environ(name); set {
			l.fail("environment: unknown variable %s", name)
		}
	}
}

func (l *loader) lookup(s setting) (string, Origin) {
	if f := l.flags.Lookup(s.name); f != nil && f.Changed {
		return f.Value.String(), FromFlag
	}
	if v, ok := l.environ(s.env()); ok {
		return v, FromEnv
	}
	if path, ok := l.environ(s.env() + "_FILE"); ok && s.inFile() {
		raw, err := os.ReadFile(path)
		if err != nil {
			l.fail("%s_FILE: %w", s.env(), err)
		}
		return strings.TrimSpace(string(raw)), FromEnv
	}
	if v, ok := l.file[s.name]; ok {
		return v, FromFile
	}
	return s.fallback, FromDefault
}

func known(name string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.name == name })
}

// clientEnv are the variables of verbs that talk to a running service.
var clientEnv = []string{"SNOWLINK_CONFIG", "SNOWLINK_SERVER", "SNOWLINK_KEY", "SNOWLINK_KEY_FILE"}

func knownEnv(name string) bool {
	return slices.Contains(clientEnv, name) || slices.ContainsFunc(settings, func(s setting) bool {
		return name == s.env() || s.inFile() && name == s.env()+"_FILE"
	})
}

// fromKubernetes recognises the variables that Kubernetes gives to every container beside a service
// that is called snowlink.
func fromKubernetes(name string) bool {
	return strings.HasPrefix(name, "SNOWLINK_SERVICE_") || name == "SNOWLINK_PORT" || strings.HasPrefix(name, "SNOWLINK_PORT_")
}

func describe(s setting, origin Origin) string {
	if origin == FromEnv {
		return s.env()
	}
	return "--" + s.name
}

// UnknownFlags returns the arguments that look like flags and are none of flags'.
func UnknownFlags(flags *pflag.FlagSet, args []string) []error {
	var out []error
	for _, arg := range args {
		if arg == "--" {
			break
		}
		name, isFlag := strings.CutPrefix(arg, "--")
		if !isFlag {
			if len(arg) > 1 && arg[0] == '-' && flags.ShorthandLookup(arg[1:2]) == nil {
				out = append(out, fmt.Errorf("unknown flag %s: see --help", arg))
			}
			continue
		}
		name, _, _ = strings.Cut(name, "=")
		if flags.Lookup(name) == nil {
			out = append(out, fmt.Errorf("unknown flag --%s: see --help", name))
		}
	}
	return out
}
