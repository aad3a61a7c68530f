package registry

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"pgregory.net/rapid"
)

// model is what a registry promises, in the simplest words: who has the latest registration under an id, and
// until when. The watcher of the real one believes silence at once here; what it keeps has tests of its own.
type model struct {
	now       time.Duration
	deadlines map[string]time.Duration // of the latest registration of an id
	latest    map[string]int           // its number; registrations are numbered as they come
	ended     map[int]bool             // by Deregister
}

func (m *model) living() (ids []string) {
	for id, deadline := range m.deadlines {
		if deadline > m.now {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// A registration says of an id what is true of the latest one: earlier ones can neither keep it on the list
// nor take it off, in whatever order they come.
func TestRegistryIsItsModel(t *testing.T) {
	mini := miniredis.RunT(t)
	client := connect(t, mini.Addr())
	rapid.Check(t, func(t *rapid.T) {
		mini.FlushAll()
		start := time.Now()
		mini.SetTime(start)
		m := &model{deadlines: map[string]time.Duration{}, latest: map[string]int{}, ended: map[int]bool{}}
		r := New(client, Config{TTL: ttl})
		ids := []string{"a", "b", "c"}
		var all []*Registration
		pick := func() int {
			if len(all) == 0 {
				t.Skip("nobody has registered")
			}
			return rapid.IntRange(0, len(all)-1).Draw(t, "registration")
		}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				reg, err := r.Register(t.Context(), Instance{Service: "api", ID: id, Addr: id + ":1"})
				if err != nil {
					t.Fatal(err)
				}
				m.latest[id], m.deadlines[id] = len(all), m.now+ttl
				all = append(all, reg)
			},
			"beat": func(t *rapid.T) {
				n := pick()
				id := all[n].Instance().ID
				err := all[n].Beat(t.Context())
				superseded := m.latest[id] != n || m.ended[n]
				if errors.Is(err, ErrSuperseded) != superseded || !superseded && err != nil {
					t.Fatalf("Beat() = %v, superseded: %t", err, superseded)
				}
				if !superseded {
					m.deadlines[id] = m.now + ttl
				}
			},
			"deregister": func(t *rapid.T) {
				n := pick()
				id := all[n].Instance().ID
				if err := all[n].Deregister(t.Context()); err != nil {
					t.Fatal(err)
				}
				if m.latest[id] == n {
					delete(m.deadlines, id)
				}
				m.ended[n] = true
			},
			"pass": func(t *rapid.T) {
				m.now += time.Duration(rapid.IntRange(1, int(ttl/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
				mini.SetTime(start.Add(m.now))
			},
			"": func(t *rapid.T) {
				w := r.Watch("api")
				if err := w.Look(t.Context()); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, i := range w.Instances() {
					got = append(got, i.ID)
					if want := all[m.latest[i.ID]].Instance().Generation; i.Generation != want {
						t.Fatalf("%s is of generation %d, want %d", i.ID, i.Generation, want)
					}
				}
				if want := m.living(); !slices.Equal(got, want) {
					t.Fatalf("instances = %v, want %v", got, want)
				}
			},
		})
	})
}
