package hashring

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestARingOutlivesJSON(t *testing.T) {
	for _, n := range []int{1, 3, 255, 256} { // from 257 shards on, an owner takes two bytes
		shards := weighed(n+1, weighings["weights 1 to 4"])
		want := change(t, ring(t, shards[:n]), shards)
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Ring
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%d shards: %v", n+1, err)
		}
		checkSame(t, &got, want)
	}
}

func checkSame(t fataler, got, want *Ring) {
	if got.Epoch() != want.Epoch() || !slices.Equal(got.Shards(), want.Shards()) || got.owners != want.owners {
		t.Fatalf("epoch %d, %d shards: the ring is another one after JSON", want.Epoch(), len(want.shards))
	}
}

// A ring that was written by one release is read by the next.
func TestTheFormIsPinned(t *testing.T) {
	raw, err := json.Marshal(change(t, ring(t, named("a")), []Shard{{"b", 2}, {"a", 1}}))
	if err != nil {
		t.Fatal(err)
	}
	table := base64.StdEncoding.EncodeToString(make([]byte, Slots))
	form := `{"version":1,"epoch":8,"shards":[{"name":"b","weight":2},{"name":"a","weight":1}],"owners":"`
	if !strings.HasPrefix(string(raw), form) || len(raw) != len(form)+len(table)+len(`"}`) {
		t.Errorf("got %.150s (%d bytes), want %s and a table", raw, len(raw), form)
	}
}

func TestWhatIsNoRingIsRefused(t *testing.T) {
	table := func(fill string, slots int) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, slots)))
	}
	text := func(version int, shards, owners string) string {
		return fmt.Sprintf(`{"version":%d,"epoch":1,"shards":[%s],"owners":%q}`, version, shards, owners)
	}
	const a = `{"name":"a","weight":1}`
	whole := table("\x00", Slots)
	for name, tc := range map[string]struct{ text, want string }{
		"a newer form":           {text(2, a, whole), "form 2"},
		"no form":                {`{}`, "form 0"},
		"something else":         {`[]`, "cannot unmarshal"},
		"nothing":                {`null`, "form 0"},
		"no shards":              {text(1, ``, whole), "no shards"},
		"a name given twice":     {text(1, a+","+a, whole), `"a" is given twice`},
		"no name":                {text(1, `{"weight":1}`, whole), "no name"},
		"no weight":              {text(1, `{"name":"a"}`, whole), "no weight"},
		"a weight too great":     {text(1, `{"name":"a","weight":101}`, whole), "weight 101"},
		"a negative weight":      {text(1, `{"name":"a","weight":-1}`, whole), "weight -1"},
		"no table":               {text(1, a, ""), "0 bytes, want 16384"},
		"a table cut short":      {text(1, a, table("\x00", Slots-1)), "16383 bytes, want 16384"},
		"a table too long":       {text(1, a, table("\x00", Slots+1)), "16385 bytes, want 16384"},
		"a table not in base64":  {text(1, a, "%"), "illegal base64"},
		"an owner out of range":  {text(1, a, table("\x01", Slots)), "slot 0 belongs to shard 1 of 1"},
		"a last slot of nobody":  {text(1, a, base64.StdEncoding.EncodeToString(append(make([]byte, Slots-1), 9))), "slot 16383 belongs to shard 9 of 1"},
		"an epoch that is text":  {`{"version":1,"epoch":"1"}`, "cannot unmarshal"},
		"a table of wide owners": {text(1, a, table("\x00\x00", Slots)), "32768 bytes, want 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			r := ring(t, named("kept"))
			err := r.UnmarshalJSON([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
			if got := r.Shards()[0].Name; got != "kept" {
				t.Errorf("the ring was changed by what was refused: got shard %q", got)
			}
		})
	}
}

func FuzzRingJSON(f *testing.F) {
	for _, n := range []int{1, 3, 257} {
		raw, err := json.Marshal(ring(f, weighed(n, weighings["weights 1 to 4"])))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"version":1,"shards":[{"name":"a","weight":1}],"owners":"AA=="}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r, again Ring
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		written, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		checkSame(t, &again, &r)
		// Whatever table was read, even one that no Ring would make, can be changed.
		if next, err := r.Change(r.Epoch()+1, append(r.Shards(), Shard{Name: "one more"})); err == nil {
			checkMoves(t, &r, next)
		}
	})
}
