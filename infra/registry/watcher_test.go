package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// onMini runs a test of time where time goes by as it is told to.
func onMini(t *testing.T, test func(t *testing.T, client *redis.Client, pass func(time.Duration))) {
	s := startMini(t)
	test(t, s.client, s.pass)
}

// crowd registers so many instances, and returns their names.
func crowd(t *testing.T, r *Registry, n int) (names []string, registrations []*Registration) {
	for i := range n {
		names = append(names, fmt.Sprintf("i%02d", i))
		registrations = append(registrations, register(t, r, names[i]))
	}
	return names, registrations
}

// silence lets a TTL pass in which all but some send heartbeats.
func silence(t *testing.T, all []*Registration, pass func(time.Duration), silent ...int) {
	t.Helper()
	dumb := map[int]bool{}
	for _, i := range silent {
		dumb[i] = true
	}
	for range 4 {
		pass(ttl / 3)
		for i, one := range all {
			if dumb[i] {
				continue
			}
			if err := one.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func without(names []string, gone ...int) (rest []string) {
	skip := map[int]bool{}
	for _, i := range gone {
		skip[i] = true
	}
	for i, name := range names {
		if !skip[i] {
			rest = append(rest, name)
		}
	}
	return rest
}

func TestManyWhoFallSilentTogetherAreKept(t *testing.T) {
	tests := []struct {
		name   string
		n      int
		silent []int
		kept   bool
	}{
		{"one of ten", 10, []int{3}, false},
		{"two of ten", 10, []int{3, 7}, true},
		{"three of twenty", 20, []int{1, 2, 3}, false},
		{"four of twenty", 20, []int{1, 2, 3, 4}, true},
		{"one of two", 2, []int{0}, false},
		{"both of two", 2, []int{0, 1}, true},
		{"the only one", 1, []int{0}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onMini(t, func(t *testing.T, client *redis.Client, pass func(time.Duration)) {
				r := New(client, Config{TTL: ttl, Keep: time.Hour})
				names, all := crowd(t, r, tt.n)
				w := r.Watch("api")
				look(t, w, names...)
				silence(t, all, pass, tt.silent...)
				if tt.kept {
					look(t, w, names...)
				} else {
					look(t, w, without(names, tt.silent...)...)
				}
				silence(t, all, pass)
				look(t, w, names...)
			})
		})
	}
}

func TestWhoTakesLeaveIsNotKept(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl, Keep: time.Hour})
		names, all := crowd(t, r, 4)
		w := r.Watch("api")
		look(t, w, names...)
		for i, one := range all {
			if err := one.Deregister(t.Context()); err != nil {
				t.Fatal(err)
			}
			look(t, w, names[i+1:]...)
		}
	})
}

func TestLastingSilenceIsBelieved(t *testing.T) {
	onMini(t, func(t *testing.T, client *redis.Client, pass func(time.Duration)) {
		r := New(client, Config{TTL: ttl, Keep: 50 * time.Millisecond})
		names, all := crowd(t, r, 4)
		w := r.Watch("api")
		look(t, w, names...)
		silence(t, all, pass, 1, 2)
		_ = w.Look(t.Context())
		time.Sleep(60 * time.Millisecond)
		silence(t, all, pass, 1, 2)
		look(t, w, "i00", "i03")
	})
}

func TestAnEntryThatMakesNoSenseIsPassedOver(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: time.Minute})
		register(t, r, "good")
		keys := r.keys("api")
		far := float64(time.Now().Add(time.Hour).UnixMilli())
		for id, value := range map[string]string{
			"cut": `{"service":"api","id":"cu`, "empty": "", "other": `{"service":"api","id":"good","addr":"evil:1"}`,
			"elsewhere": `{"service":"sales","id":"elsewhere","addr":"x:1"}`, "nowhere": `{"service":"api","id":"nowhere"}`,
			"light": `{"service":"api","id":"light","addr":"x:1","weight":-1}`,
			"huge":  `{"service":"api","id":"huge","addr":"` + strings.Repeat("x", maxBytes) + `"}`,
		} {
			client.ZAdd(t.Context(), keys[0], redis.Z{Score: far, Member: id})
			client.HSet(t.Context(), keys[1], id, value)
		}
		w := r.Watch("api")
		look(t, w, "good")
		register(t, r, "later")
		look(t, w, "good", "later")
	})
}

func TestRegisterRefusesWhatOthersWouldPassOver(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client, _ func(time.Duration)) {
		r := New(client, Config{TTL: ttl})
		for _, i := range []Instance{
			{},
			{Service: "api", ID: "a"},
			{Service: "api", Addr: "x:1"},
			{ID: "a", Addr: "x:1"},
			{Service: "api", ID: "a", Addr: "x:1", Weight: -1},
			{Service: "api", ID: "a", Addr: strings.Repeat("x", maxBytes)},
		} {
			if _, err := r.Register(t.Context(), i); err == nil {
				t.Errorf("%.60q was registered", fmt.Sprint(i))
			}
		}
		look(t, r.Watch("api"))
	})
}
