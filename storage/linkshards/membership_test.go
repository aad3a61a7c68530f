package linkshards_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"snowlink/infra/hashring"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

const password = "t0p-secret"

func spec(name string, weight int) linkshards.MemberSpec {
	return linkshards.MemberSpec{Name: name, Weight: weight, URL: "redis://me:" + password + "@" + name + ":6379"}
}

func mustFirst(t testing.TB, specs ...linkshards.MemberSpec) linkshards.Membership {
	t.Helper()
	m, err := linkshards.First(specs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// transition is one change that an operator or the mover makes.
func transition(rt *rapid.T, m linkshards.Membership) (next linkshards.Membership, err error) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	switch rapid.SampledFrom([]string{"add", "remove", "rebalance", "next", "next"}).Draw(rt, "transition") {
	case "add":
		return m.Add(spec(name.Draw(rt, "joins"), rapid.IntRange(0, 4).Draw(rt, "weight")))
	case "remove":
		return m.Remove(name.Draw(rt, "leaves"))
	case "rebalance":
		return m.Rebalance(rapid.MapOfN(name, rapid.IntRange(1, 4), 0, 3).Draw(rt, "weights"))
	}
	return m.Next()
}

func TestEveryTransitionLeadsToAMembership(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := mustFirst(t, spec("a", 1), spec("b", 2))
		owners := ownersOf(m)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			next, err := transition(rt, m)
			if err != nil {
				if kind := shortener.KindOf(err); kind == shortener.Internal || strings.Contains(err.Error(), password) {
					rt.Fatalf("got the error %v of kind %v, want one for the operator", err, kind)
				}
				continue
			}
			if next.Epoch() != m.Epoch()+1 {
				rt.Fatalf("epoch %d follows epoch %d", next.Epoch(), m.Epoch())
			}
			owned := ownersOf(next)
			checkMoves(rt, m, next, owners, owned)
			checkRoundTrip(rt, next)
			checkRedaction(rt, next)
			m, owners = next, owned
		}
	})
}

// probes are links that lie on all slots.
var probes = func() []shortener.Ref {
	ring, _ := hashring.New(1, []hashring.Shard{{Name: "a"}})
	refs := make([]shortener.Ref, hashring.Slots)
	for i, left := 0, len(refs); left > 0; i++ {
		ref := shortener.Ref{Code: fmt.Sprintf("p%d", i)}
		if slot := ring.Slot(ref.String()); refs[slot].Code == "" {
			refs[slot] = ref
			left--
		}
	}
	return refs
}()

func ownersOf(m linkshards.Membership) []string {
	owners := make([]string, len(probes))
	for slot, ref := range probes {
		owners[slot], _ = m.Owner(ref)
	}
	return owners
}

func checkMoves(rt *rapid.T, was, is linkshards.Membership, owners, owned []string) {
	var names []string
	for _, s := range is.Members() {
		names = append(names, s.Name)
	}
	moved := 0
	for slot, ref := range probes {
		owner, before := is.Owner(ref)
		if !slices.Contains(names, owner) || before != "" && !slices.Contains(names, before) {
			rt.Fatalf("slot %d belongs to %q, before to %q: members are %q", slot, owner, before, names)
		}
		if owned[slot] != owners[slot] {
			moved++
			if before != owners[slot] {
				rt.Fatalf("slot %d moved from %q, and its owner before is %q", slot, owners[slot], before)
			}
		}
	}
	begins := was.Phase() == linkshards.Settled
	if begins != (is.Phase() == linkshards.Copying) || !begins && moved > 0 {
		rt.Fatalf("%v follows %v, with %d moves", is, was, moved)
	}
	if (len(is.Moves()) == 0) != (is.Phase() == linkshards.Settled) && moved > 0 {
		rt.Fatalf("%v tells of %d moves", is, len(is.Moves()))
	}
	if begins && len(is.Moves()) != moved {
		rt.Fatalf("%v: %d slots moved, and it tells of %d", is, moved, len(is.Moves()))
	}
	checkMinimal(rt, was, is)
}

// checkMinimal wants slots to move from shards whose share shrinks to such whose share grows alone.
func checkMinimal(rt *rapid.T, was, is linkshards.Membership) {
	gained, lost := make(map[string]int), make(map[string]int)
	for _, move := range is.Moves() {
		gained[move.To]++
		lost[move.From]++
	}
	for name := range gained {
		if lost[name] > 0 {
			rt.Fatalf("from %v to %v: shard %s gains %d slots and loses %d", was, is, name, gained[name], lost[name])
		}
	}
}

func checkRoundTrip(rt *rapid.T, m linkshards.Membership) {
	body, err := json.Marshal(m)
	if err != nil {
		rt.Fatal(err)
	}
	var read linkshards.Membership
	if err := json.Unmarshal(body, &read); err != nil {
		rt.Fatalf("%v cannot be read: %v", m, err)
	}
	again, err := json.Marshal(read)
	if err != nil || string(again) != string(body) || read.Epoch() != m.Epoch() || !slices.Equal(ownersOf(read), ownersOf(m)) {
		rt.Fatalf("%v was read as %v (%v)", m, read, err)
	}
}

func checkRedaction(rt *rapid.T, m linkshards.Membership) {
	spec := m.Members()[0]
	member, err := spec.Member()
	if err != nil {
		rt.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("members", "membership", m, "spec", spec)
	text := log.String() + fmt.Sprintf("%v %+v %#v %v %#v %v %#v", m, m, m, spec, spec, member, member)
	if strings.Contains(text, password) || !strings.Contains(text, "xxxxx") {
		rt.Fatalf("want the password redacted in %q", text)
	}
}

func TestAMoveFromBeginningToEnd(t *testing.T) {
	three := mustFirst(t, spec("a", 1), spec("b", 1), spec("c", 1))
	copying, err := three.Add(spec("d", 1))
	if err != nil || copying.Phase() != linkshards.Copying || !copying.Joining("d") || copying.Joining("a") || copying.Leaving("d") {
		t.Fatalf("add: got %v, %v", copying, err)
	}
	if n := len(copying.Moves()); n < hashring.Slots*24/100 || n > hashring.Slots*26/100 {
		t.Errorf("add a fourth: %d of %d slots move, want a quarter", n, hashring.Slots)
	}
	clearing, err := copying.Next()
	if err != nil || clearing.Phase() != linkshards.Clearing || len(clearing.Moves()) != len(copying.Moves()) {
		t.Fatalf("next: got %v, %v", clearing, err)
	}
	four, err := clearing.Next()
	if err != nil || four.Phase() != linkshards.Settled || len(four.Moves()) != 0 || len(four.Members()) != 4 {
		t.Fatalf("next: got %v, %v", four, err)
	}
	leaving, err := four.Remove("b")
	if err != nil || !leaving.Leaving("b") || len(leaving.Members()) != 4 {
		t.Fatalf("remove: got %v, %v", leaving, err)
	}
	leaving, err = leaving.Next()
	if err != nil {
		t.Fatal(err)
	}
	last, err := leaving.Next()
	if err != nil || len(last.Members()) != 3 || last.Epoch() != 7 {
		t.Fatalf("next: got %v, %v; want the three that are left at epoch 7", last, err)
	}
	joined := make(map[string]uint64)
	for _, s := range last.Members() {
		joined[s.Name] = s.Joined
	}
	if joined["a"] != 1 || joined["d"] != 2 {
		t.Errorf("joined at: got %v, want a at 1 and d at 2", joined)
	}
}

func TestTransitionsThatAreRefused(t *testing.T) {
	settled := mustFirst(t, spec("a", 1), spec("b", 1))
	moving, err := settled.Add(spec("c", 1))
	if err != nil {
		t.Fatal(err)
	}
	one := mustFirst(t, spec("a", 1))
	same := spec("c", 1)
	same.URL = spec("a", 1).URL
	for name, tc := range map[string]struct {
		do   func() (linkshards.Membership, error)
		kind shortener.Kind
		want string
	}{
		"add a used name":       {func() (linkshards.Membership, error) { return settled.Add(spec("a", 1)) }, shortener.Conflict, "another name"},
		"add a used address":    {func() (linkshards.Membership, error) { return settled.Add(same) }, shortener.Conflict, "same address"},
		"add during a move":     {func() (linkshards.Membership, error) { return moving.Add(spec("d", 1)) }, shortener.Conflict, "wait"},
		"add what has no name":  {func() (linkshards.Membership, error) { return settled.Add(spec("", 1)) }, shortener.Invalid, "letters"},
		"add with a comma":      {func() (linkshards.Membership, error) { return settled.Add(spec("a,b", 1)) }, shortener.Invalid, "letters"},
		"add too heavy a shard": {func() (linkshards.Membership, error) { return settled.Add(spec("c", 101)) }, shortener.Invalid, "101"},
		"add what is no address": {func() (linkshards.Membership, error) {
			return settled.Add(linkshards.MemberSpec{Name: "c", URL: "http://h"})
		}, shortener.Invalid, "http"},
		"add to nothing":           {func() (linkshards.Membership, error) { return linkshards.Membership{}.Add(spec("a", 1)) }, shortener.Conflict, "no membership"},
		"remove an unknown one":    {func() (linkshards.Membership, error) { return settled.Remove("x") }, shortener.NotFound, `"a" "b"`},
		"remove the last":          {func() (linkshards.Membership, error) { return one.Remove("a") }, shortener.Conflict, "last"},
		"remove during a move":     {func() (linkshards.Membership, error) { return moving.Remove("a") }, shortener.Conflict, "wait"},
		"rebalance to what it is":  {func() (linkshards.Membership, error) { return settled.Rebalance(map[string]int{"a": 1}) }, shortener.Conflict, "nothing to move"},
		"rebalance an unknown one": {func() (linkshards.Membership, error) { return settled.Rebalance(map[string]int{"x": 1}) }, shortener.NotFound, `"x"`},
		"rebalance to nothing":     {func() (linkshards.Membership, error) { return settled.Rebalance(map[string]int{"a": 0}) }, shortener.Invalid, "1 to 100"},
		"rebalance to too much":    {func() (linkshards.Membership, error) { return settled.Rebalance(map[string]int{"a": 101}) }, shortener.Invalid, "101"},
		"go on with no move":       {settled.Next, shortener.Conflict, "no move"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.do()
			if shortener.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) || got.Epoch() != 0 {
				t.Errorf("got %v, %v; want an error of kind %v with %q", got, err, tc.kind, tc.want)
			}
		})
	}
	if _, err := linkshards.First(nil); err == nil {
		t.Error("a membership of none: no error")
	}
	if _, err := linkshards.First([]linkshards.MemberSpec{spec("a", 1), spec("a", 1), {Name: "b", URL: "nothing"}}); err == nil ||
		!strings.Contains(err.Error(), "twice") || !strings.Contains(err.Error(), "scheme") {
		t.Errorf("two faults: got %v, want both told", err)
	}
}

func TestWhatIsNoMembershipIsRefused(t *testing.T) {
	body, err := json.Marshal(mustFirst(t, spec("a", 1)))
	if err != nil {
		t.Fatal(err)
	}
	good := string(body)
	for name, text := range map[string]string{
		"nothing":              `{}`,
		"not JSON":             good[:len(good)-1],
		"no epoch":             strings.Replace(good, `"epoch":1,"phase"`, `"epoch":0,"phase"`, 1),
		"an unknown phase":     strings.Replace(good, "settled", "dancing", 1),
		"a move of nothing":    strings.Replace(good, "settled", "copying", 1),
		"an owner unknown":     strings.Replace(good, `"members":[{"name":"a"`, `"members":[{"name":"b"`, 1),
		"no ring":              `{"epoch":1,"phase":"settled","members":[{"name":"a"}]}`,
		"of another ring form": strings.Replace(good, `"version":1`, `"version":9`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if text == good {
				t.Fatal("the test changes nothing")
			}
			var m linkshards.Membership
			if err := json.Unmarshal([]byte(text), &m); err == nil || m.Epoch() != 0 {
				t.Errorf("got %v, %v; want an error", m, err)
			}
		})
	}
}

func TestAddressesChangeByConfiguration(t *testing.T) {
	m := mustFirst(t, spec("a", 1), spec("b", 1))
	moved := m.WithAddresses([]linkshards.MemberSpec{{Name: "b", URL: "redis://elsewhere"}, {Name: "x", URL: "redis://x"}})
	if got := moved.String(); moved.Epoch() != 1 || !strings.Contains(got, "b=redis://elsewhere") || strings.Contains(got, "x=") {
		t.Errorf("got %s, want b elsewhere and nothing else changed", got)
	}
	if strings.Contains(m.String(), "elsewhere") {
		t.Error("the membership that it was made from has changed")
	}
}

func TestRedact(t *testing.T) {
	for address, want := range map[string]string{
		"redis://h:1/2":                  "redis://h:1/2",
		"redis://me:secret@h:1":          "redis://me:xxxxx@h:1",
		"redis://:secret@h:1?db=2":       "redis://:xxxxx@h:1?db=2",
		"redis://secret@h:1":             "redis://xxxxx@h:1",
		"redis://me:p@ss@h:1":            "redis://me:xxxxx@h:1",
		"redis://me:p?ss/@h:1":           "redis://me:xxxxx@h:1",
		"secret":                         "xxxxx",
		"unix:///run/redis.sock?db=1":    "unix:///run/redis.sock?db=1",
		"redis://h?password=secret&db=1": "redis://h?password=xxxxx&db=1",
		"redis+sentinel://u:pw@s1,s2:1/main?sentinel_password=x": "redis+sentinel://u:xxxxx@s1,s2:1/main?sentinel_password=xxxxx",
	} {
		if got := linkshards.Redact(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
