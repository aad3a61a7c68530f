package credentials_test

import (
	"os"
	"path/filepath"
	"testing"

	"snowlink/cmd/snowlink/credentials"
)

// home gives the test a configuration folder of its own, and returns the file in it.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	return filepath.Join(dir, "snowlink", "credentials.json")
}

func save(t *testing.T, id, key, server string) {
	t.Helper()
	if err := credentials.Save(id, key, server); err != nil {
		t.Fatalf("Save(%q): %v", id, err)
	}
}

func TestFind(t *testing.T) {
	file := home(t)
	save(t, "one", "slk_one", "http://localhost:8080")
	save(t, "two", "slk_two", "http://localhost:8081")
	save(t, "three", "slk_three", "https://sho.rt")
	save(t, "unknown", "", "http://localhost:9999") // a start of an installation whose key somebody else has
	for _, tc := range []struct{ name, server, want string }{
		{"as it was saved", "http://localhost:8080", "slk_one"},
		{"by another name of this machine", "http://127.0.0.1:8080/", "slk_one"},
		{"by the unspecified address", "http://[::]:8081", "slk_two"},
		{"with the scheme's port", "https://sho.rt:443", "slk_three"},
		{"another scheme is another server", "http://sho.rt", ""},
		{"another port", "http://localhost:8082", ""},
		{"a start without a key", "http://localhost:9999", ""},
	} {
		if got, err := credentials.Find(tc.server); got != tc.want || err != nil {
			t.Errorf("%s: Find(%q) = %q, %v, want %q", tc.name, tc.server, got, err, tc.want)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: got %v, %v, want readable by its owner alone", info.Mode(), err)
	}
}

func TestAnAddressBelongsToTheServiceStartedLast(t *testing.T) {
	home(t)
	save(t, "one", "slk_one", "http://localhost:8080")
	save(t, "two", "slk_two", "http://localhost:8080")
	if got, _ := credentials.Find("http://localhost:8080"); got != "slk_two" {
		t.Errorf("Find() = %q, want the key of the service started last", got)
	}
	save(t, "one", "", "http://localhost:8080") // started again: its key is remembered
	if got, _ := credentials.Find("http://localhost:8080"); got != "slk_one" {
		t.Errorf("Find() after a restart = %q, want slk_one", got)
	}
}

func TestADamagedFileIsNotOverwritten(t *testing.T) {
	file := home(t)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := credentials.Save("one", "slk_one", "http://localhost:8080"); err == nil {
		t.Error("Save() over a damaged file: no error")
	}
	if _, err := credentials.Find("http://localhost:8080"); err == nil {
		t.Error("Find() in a damaged file: no error")
	}
	if raw, _ := os.ReadFile(file); string(raw) != "{damaged" {
		t.Errorf("the file is now %q, want it left alone", raw)
	}
}
