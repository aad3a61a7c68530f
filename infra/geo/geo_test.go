package geo

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

var london = Place{Country: "GB", Region: "ENG", City: "London"}

var places = map[string]Place{
	"192.0.2.0/24": london, "198.51.100.0/25": {Country: "US"}, "203.0.113.7/32": {Country: "DE", Region: "Bavaria", City: "Munich"},
	"2001:db8::/32": {Country: "SE", City: "Malmö"}, "100.64.0.0/10": {},
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

func TestLookup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	write(t, path, encodeMMDB(t, places))
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		addr string
		want Place
	}{
		{"country, region and city", "192.0.2.200", london},
		{"IPv4 in IPv6 form", "::ffff:192.0.2.1", london},
		{"a country alone", "198.51.100.127", Place{Country: "US"}},
		{"one address behind a network", "198.51.100.128", Place{}},
		{"a region without a code", "203.0.113.7", Place{Country: "DE", Region: "Bavaria", City: "Munich"}},
		{"IPv6", "2001:db8:1::1", Place{Country: "SE", City: "Malmö"}},
		{"IPv6 with a zone", "fe80::1%eth0", Place{}},
		{"an entry that says nothing", "100.64.1.1", Place{}},
		{"an address that is not there", "10.0.0.1", Place{}},
	} {
		if got := db.Lookup(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%s: Lookup(%s) = %+v, want %+v", test.name, test.addr, got, test.want)
		}
	}
	if got := db.Lookup(netip.Addr{}); got != (Place{}) {
		t.Errorf("Lookup(no address) = %+v, want nothing", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := encodeMMDB(t, places)
	for name, content := range map[string][]byte{
		"an empty file": {}, "rubbish": []byte("rubbish"), "half a file": good[:len(good)/2], "a tree that leads nowhere": damaged(good),
	} {
		path := filepath.Join(t.TempDir(), "city.mmdb")
		write(t, path, content)
		if _, err := Open(path); err == nil {
			t.Errorf("%s: Open() succeeded, want an error", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open(no file) = %v, want fs.ErrNotExist", err)
	}
}

// damaged returns the file with pointers of its tree that lead behind its end.
func damaged(good []byte) []byte {
	bad := append([]byte(nil), good...)
	for i := range 6 {
		bad[i] = 0xff
	}
	return bad
}

func TestRunChangesOverToANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	good := encodeMMDB(t, places)
	write(t, path, good)
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var reloads []error
		db.Reloaded = func(err error) { reloads = append(reloads, err) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- db.Run(ctx) }()
		step := func(name string, wantReloads int, wantRefused bool, want Place) {
			t.Helper()
			time.Sleep(2 * pollEvery)
			synctest.Wait()
			if len(reloads) != wantReloads || wantReloads > 0 && (reloads[wantReloads-1] != nil) != wantRefused {
				t.Errorf("%s: reloads %v, want %d, the last refused: %t", name, reloads, wantReloads, wantRefused)
			}
			if got := db.Lookup(netip.MustParseAddr("192.0.2.1")); got != want {
				t.Errorf("%s: Lookup() = %+v, want %+v", name, got, want)
			}
		}
		step("nothing changed", 0, false, london)
		write(t, path, good[:len(good)-40])
		step("half a file", 1, true, london)
		write(t, path, damaged(good))
		step("a damaged file", 2, true, london)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		step("no file", 2, true, london)
		paris := Place{Country: "FR", Region: "IDF", City: "Paris"}
		write(t, path, encodeMMDB(t, map[string]Place{"192.0.2.0/24": paris}))
		step("a good file", 3, false, paris)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run() = %v, want context.Canceled", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	good := encodeMMDB(f, places)
	f.Add(good)
	f.Add(damaged(good))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "city.mmdb")
		write(t, path, content)
		if db, err := Open(path); err == nil {
			db.Lookup(netip.MustParseAddr("192.0.2.1")) // must not panic
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "city.mmdb")
	write(b, path, encodeMMDB(b, places))
	db, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		db.Lookup(addr)
	}
}
