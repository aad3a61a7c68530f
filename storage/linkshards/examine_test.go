package linkshards_test

import (
	"strconv"
	"strings"
	"testing"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// startRedisWith is startRedis with more flags.
func startRedisWith(t testing.TB, flags ...string) *server {
	t.Helper()
	s := startRedis(t)
	s.kill()
	s.start(t, flags...)
	return s
}

func TestShardsThatAreRefused(t *testing.T) {
	member := startRedis(t)
	s := open(t, mustFirst(t, member.spec("a")), linkshards.Options{Installation: "mine", OtherKeys: []string{"clicks"}})
	do := func(server *server, args ...any) *server {
		if err := server.client(t).Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		return server
	}
	address := func(server *server, user string) string {
		return "redis://" + user + "127.0.0.1:" + strconv.Itoa(server.port)
	}
	locked := do(startRedis(t), "CONFIG", "SET", "requirepass", "right")
	limited := do(do(startRedis(t), "ACL", "SETUSER", "few", "on", ">pw", "~*", "&*", "+@all", "-eval", "-publish"),
		"ACL", "SETUSER", "blind", "on", ">pw", "~*", "&*", "+@all", "-info")
	do(limited, "ACL", "SETUSER", "keys", "on", ">pw", "~other:*", "&*", "+@all")
	do(limited, "ACL", "SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all")
	sentinel := startSentinel(t, member.port)
	for name, tc := range map[string]struct {
		spec linkshards.MemberSpec
		kind shortener.Kind
		want []string
	}{
		"unreachable":          {linkshards.MemberSpec{Name: "b", URL: "redis://127.0.0.1:1"}, shortener.Invalid, []string{"cannot be reached"}},
		"no address":           {linkshards.MemberSpec{Name: "b", URL: "nonsense"}, shortener.Invalid, []string{"scheme"}},
		"no name":              {linkshards.MemberSpec{URL: address(member, "")}, shortener.Invalid, []string{"letters"}},
		"no password":          {linkshards.MemberSpec{Name: "b", URL: address(locked, "")}, shortener.Invalid, []string{"wants a password"}},
		"a wrong password":     {linkshards.MemberSpec{Name: "b", URL: address(locked, ":wrong@")}, shortener.Invalid, []string{"refuses the user or the password"}},
		"an unknown user":      {linkshards.MemberSpec{Name: "b", URL: address(limited, "who:pw@")}, shortener.Invalid, []string{"refuses the user or the password"}},
		"rights lack":          {linkshards.MemberSpec{Name: "b", URL: address(limited, "few:pw@")}, shortener.Invalid, []string{"eval", "publish", "ACL SETUSER few"}},
		"keys are forbidden":   {linkshards.MemberSpec{Name: "b", URL: address(limited, "keys:pw@")}, shortener.Invalid, []string{"get", "set", "ACL SETUSER keys"}},
		"channels are too":     {linkshards.MemberSpec{Name: "b", URL: address(limited, "deaf:pw@")}, shortener.Invalid, []string{"subscribe", "ACL SETUSER deaf"}},
		"INFO lacks":           {linkshards.MemberSpec{Name: "b", URL: address(limited, "blind:pw@")}, shortener.Invalid, []string{"ACL SETUSER blind +info"}},
		"a cluster":            {startRedisWith(t, "--cluster-enabled", "yes").spec("b"), shortener.Invalid, []string{"cluster mode"}},
		"a replica":            {startRedisWith(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(member.port)).spec("b"), shortener.Invalid, []string{"replica of 127.0.0.1:" + strconv.Itoa(member.port)}},
		"a Sentinel":           {sentinel.spec("b"), shortener.Invalid, []string{"that is a Sentinel"}},
		"no such primary":      {linkshards.MemberSpec{Name: "b", URL: "redis+sentinel://127.0.0.1:" + strconv.Itoa(sentinel.port) + "/nobody"}, shortener.Invalid, []string{"know no primary of that name"}},
		"no TLS there":         {linkshards.MemberSpec{Name: "b", URL: "rediss://127.0.0.1:" + strconv.Itoa(limited.port)}, shortener.Invalid, []string{"by TLS; use redis://"}},
		"keys of others":       {do(startRedis(t), "SET", "session:1", "x").spec("b"), shortener.Invalid, []string{"holds 1 keys", "session:1", "FLUSHDB"}},
		"links of nobody":      {do(startRedis(t), "SET", "l:abc", "x").spec("b"), shortener.Invalid, []string{"l:abc"}},
		"of another":           {do(startRedis(t), "SET", "snowlink:installation", "theirs").spec("b"), shortener.Invalid, []string{"another installation", "theirs"}},
		"a shard already":      {member.spec("b"), shortener.Conflict, []string{"same Redis as shard a"}},
		"by its Sentinel, too": {linkshards.MemberSpec{Name: "b", URL: "redis+sentinel://127.0.0.1:" + strconv.Itoa(sentinel.port) + "/main"}, shortener.Conflict, []string{"same Redis as shard a"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Examine(t.Context(), tc.spec)
			if shortener.KindOf(err) != tc.kind {
				t.Fatalf("got %v, want an error of kind %v", err, tc.kind)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			for _, secret := range []string{"pw@", "wrong@"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password is in %q", err)
				}
			}
		})
	}
}

func TestShardsThatAreTaken(t *testing.T) {
	s := open(t, mustFirst(t, startRedis(t).spec("a")), linkshards.Options{Installation: "mine", OtherKeys: []string{"clicks"}})
	set := func(server *server, keys ...string) *server {
		for _, key := range keys {
			mustSet(t, server.client(t), key, "mine")
		}
		return server
	}
	durable := []string{"--appendonly", "yes"}
	full := startRedisWith(t, durable...)
	limited := startRedisWith(t, durable...)
	if err := limited.client(t).Do(t.Context(), "ACL", "SETUSER", "min", "on", ">pw", "~*", "&*", "+@all", "-@dangerous", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spec linkshards.MemberSpec
		want []string // of each warning
	}{
		"empty and durable":        {startRedisWith(t, durable...).spec("b"), nil},
		"our own":                  {set(full, "snowlink:installation", "l:abc", "clicks").spec("b"), nil},
		"emptied, with streams":    {set(startRedisWith(t, durable...), "clicks", "snowlink:epoch").spec("b"), nil},
		"the rights that we name":  {linkshards.MemberSpec{Name: "b", URL: "redis://min:pw@127.0.0.1:" + strconv.Itoa(limited.port)}, nil},
		"no persistence":           {startRedis(t).spec("b"), []string{"keeps nothing on disk"}},
		"snapshots":                {startRedisWith(t, "--save", "60 1").spec("b"), []string{"snapshots at most"}},
		"a policy that evicts":     {startRedisWith(t, append(durable, "--maxmemory-policy", "allkeys-lru")...).spec("b"), []string{"allkeys-lru"}},
		"by Sentinel, no replicas": {behindSentinel(t, startRedisWith(t, durable...)), []string{"min-replicas-to-write 0"}},
		"by Sentinel, safely":      {behindSentinel(t, startRedisWith(t, append(durable, "--min-replicas-to-write", "1")...)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := s.Examine(t.Context(), tc.spec)
			if err != nil || report.RunID == "" || report.Version == "" || len(report.Warnings) != len(tc.want) {
				t.Fatalf("got %+v, %v; want %d warnings", report, err, len(tc.want))
			}
			for i, part := range tc.want {
				if !strings.Contains(report.Warnings[i], part) {
					t.Errorf("got the warning %q, want %q in it", report.Warnings[i], part)
				}
			}
		})
	}
}

func behindSentinel(t testing.TB, primary *server) linkshards.MemberSpec {
	s := startSentinel(t, primary.port)
	return linkshards.MemberSpec{Name: "b", URL: "redis+sentinel://127.0.0.1:" + strconv.Itoa(s.port) + "/main"}
}

func TestAnotherDatabaseOfAShardIsWarnedOf(t *testing.T) {
	server := startRedisWith(t, "--appendonly", "yes")
	s := open(t, mustFirst(t, server.spec("a")), linkshards.Options{})
	spec := server.spec("b")
	spec.URL += "/1"
	report, err := s.Examine(t.Context(), spec)
	if err != nil || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "same Redis as shard a") {
		t.Errorf("got %+v, %v; want a warning of the same Redis", report, err)
	}
}

func TestExamineChangesNothing(t *testing.T) {
	server := startRedisWith(t, "--appendonly", "yes")
	client := server.client(t)
	s := open(t, mustFirst(t, startRedis(t).spec("a")), linkshards.Options{Installation: "mine"})
	if _, err := s.Examine(t.Context(), server.spec("b")); err != nil {
		t.Fatal(err)
	}
	if keys := client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("Examine left %q", keys)
	}
}
