package linkshards_test

import (
	"strings"
	"testing"

	"snowlink/storage/linkshards"
)

func TestParseMembers(t *testing.T) {
	members, err := linkshards.ParseMembers("a=redis://me:p%40ss@h1:7000/2?weight=3, b=rediss://h2,c=redis+sentinel://u:pw@s1,s2:7001,[::1]/main/1?weight=2&sentinel_password=x, d=unix:///run/redis.sock?db=1")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		name, addr, user, password string
		db, weight                 int
		tls                        bool
	}
	want := []seen{
		{"a", "h1:7000", "me", "p@ss", 2, 3, false},
		{"b", "h2:6379", "", "", 0, 1, true},
		{"c", "FailoverClient", "u", "pw", 1, 2, false},
		{"d", "/run/redis.sock", "", "", 1, 1, false},
	}
	for i, m := range members {
		shard := m.Dial()
		defer shard.Client.Close()
		o := shard.Client.Options()
		got := seen{shard.Name, o.Addr, o.Username, o.Password, o.DB, shard.Weight, o.TLSConfig != nil}
		if got != want[i] {
			t.Errorf("member %d: got %+v, want %+v", i, got, want[i])
		}
		if !o.ContextTimeoutEnabled || o.MaxRetries > 0 || o.DialerRetries != 1 {
			t.Errorf("member %s: got options that retry or do not obey deadlines: %+v", m.Name, o)
		}
	}
}

func TestMembersThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // all in the one error
	}{
		"nothing":               {"", []string{"place 1"}},
		"no names":              {"redis://h:1", []string{"place 1"}},
		"a name twice":          {"a=redis://h:1,a=redis://h:2", []string{`"a" is given twice`}},
		"an unknown scheme":     {"a=http://h:1", []string{`"a"`, `"http"`, "redis+sentinel"}},
		"two faults":            {"a=http://h:1,b=ftp://h:2", []string{`"http"`, `"ftp"`}},
		"a database that is no": {"a=redis://h:1/x", []string{`"a"`, "host:port"}},
		"a weight of none":      {"a=redis://h:1?weight=0", []string{`"0"`, "weight"}},
		"a weight too much":     {"a=redis://h:1?weight=101", []string{`"101"`}},
		"sentinels, no master":  {"a=redis+sentinel://h1,h2", []string{`"a"`, "master"}},
		"sentinels, no host":    {"a=redis+sentinel:///main", []string{`"a"`, "master"}},
		"a comma too many":      {"a=redis://h:1,", []string{"place 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := linkshards.ParseMembers(tc.text)
			if err == nil {
				t.Fatalf("%q: no error", tc.text)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q: got error %q, want %q in it", tc.text, err, part)
				}
			}
		})
	}
}

func FuzzParseMembersTellsNoPassword(f *testing.F) {
	f.Add("redis", "h:1/0", "b=redis://h:2")
	f.Add("redis", "h:1:2/x", "")
	f.Add("redis+sentinel", "h1,h2/", "x")
	f.Fuzz(func(t *testing.T, scheme, rest, more string) {
		members, err := linkshards.ParseMembers("a=" + scheme + "://me:topsecret@" + rest + "," + more)
		if err != nil && strings.Contains(err.Error(), "topsecret") && !strings.Contains(scheme+rest+more, "topsecret") {
			t.Errorf("the error tells the password: %v", err)
		}
		for _, m := range members {
			m.Dial().Client.Close()
		}
	})
}
