package balancer

import (
	"errors"
	"testing"
	"time"
)

// share returns the part of n picks that fall on name.
func share(t *testing.T, b *Balancer, name string, n int) float64 {
	t.Helper()
	got := 0
	for range n {
		p := pick(t, b)
		if p.Name == name {
			got++
		}
		p.Done(time.Millisecond, nil)
	}
	return float64(got) / float64(n)
}

func wantShare(t *testing.T, when string, got, want float64) {
	t.Helper()
	if got < want*0.8 || got > want*1.2 {
		t.Errorf("%s: the share is %.3f, want about %.3f", when, got, want)
	}
}

func upstreams(names ...string) (set []Upstream) {
	for _, n := range names {
		set = append(set, Upstream{Name: n, Addr: n + ":80"})
	}
	return set
}

// Whatever makes an upstream new, its share grows from a tenth to the whole.
func TestSlowStart(t *testing.T) {
	starts := map[string]func(*clock, *Balancer){
		"it joins": func(_ *clock, b *Balancer) { b.Set(upstreams("a", "b", "c")) },
		"it was not healthy": func(_ *clock, b *Balancer) {
			b.Set(upstreams("a", "b", "c"))
			b.SetHealthy("c", false)
			b.SetHealthy("c", true)
		},
		"it was ejected": func(c *clock, b *Balancer) {
			b.Set(upstreams("a", "b", "c"))
			for range 5 {
				pick(t, b, "a", "b").Done(0, errFault)
			}
			c.advance(5 * time.Second)
		},
		"it was restarted": func(c *clock, b *Balancer) {
			b.Set(upstreams("a", "b", "c"))
			c.advance(time.Hour)
			set := upstreams("a", "b", "c")
			set[2].Generation = 2
			b.Set(set)
		},
	}
	for name, start := range starts {
		for _, policy := range []Policy{RoundRobin, LeastRequest} {
			t.Run(name+", "+policyNames[policy], func(t *testing.T) {
				c := newClock()
				b := among(c, Config{Policy: policy, SlowStart: 10 * time.Second}, 1, 1)
				start(c, b)
				// Passed over with a chance of 1-w, it is picked with one of w/3.
				wantShare(t, "at once", share(t, b, "c", 20_000), 0.1/3)
				c.advance(5 * time.Second)
				wantShare(t, "half-way", share(t, b, "c", 20_000), 0.5/3)
				c.advance(5 * time.Second)
				wantShare(t, "at the end", share(t, b, "c", 20_000), 1./3)
			})
		}
	}
}

func TestTheFirstUpstreamsAreNotNew(t *testing.T) {
	b := among(newClock(), Config{Policy: RoundRobin}, 1, 1)
	wantShare(t, "of two", share(t, b, "a", 1000), 0.5)
}

func TestANewcomerAloneGetsAll(t *testing.T) {
	b := among(newClock(), Config{}, 1)
	b.Set(upstreams("b"))
	wantShare(t, "alone", share(t, b, "b", 100), 1)
}

func TestPanic(t *testing.T) {
	tests := map[string]struct {
		below        float64
		sick, broken []string
		want         string // who is picked
	}{
		"all are well":                      {want: "abcd"},
		"half of them are sick":             {sick: []string{"a", "b"}, want: "cd"},
		"too many are sick":                 {sick: []string{"a", "b", "c"}, want: "abcd"},
		"all are sick":                      {sick: []string{"a", "b", "c", "d"}, want: "abcd"},
		"too many, and one does not answer": {sick: []string{"a", "b", "c"}, broken: []string{"a"}, want: "bcd"},
		"none answers":                      {broken: []string{"a", "b", "c", "d"}},
		"never":                             {below: -1, sick: []string{"a", "b", "c", "d"}},
		"only when none is well":            {below: 0.01, sick: []string{"a", "b", "c"}, want: "d"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := among(newClock(), Config{Policy: RoundRobin, PanicBelow: tt.below, SlowStart: -1}, 1, 1, 1, 1)
			set := upstreams("a", "b", "c", "d")
			for _, name := range tt.broken {
				set[name[0]-'a'].Ready = func() bool { return false }
			}
			b.Set(set)
			for _, name := range tt.sick {
				b.SetHealthy(name, false)
			}
			got := map[string]bool{}
			for range 8 {
				p, err := b.Pick()
				if (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, ErrNone) {
					t.Fatalf("Pick: %v, want success %t", err, tt.want != "")
				}
				got[p.Name] = true
			}
			delete(got, "")
			for _, name := range tt.want {
				if !got[string(name)] {
					t.Errorf("%c was not picked", name)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("picked %v, want %s", got, tt.want)
			}
		})
	}
}

// An upstream that was ejected often, and has been good since, starts again with a short ejection.
func TestEjectionsAreForgivenByAndBy(t *testing.T) {
	c := newClock()
	b := among(c, Config{EjectAfter: 1, EjectFor: time.Second, SlowStart: -1}, 1, 1)
	eject := func() (lasted time.Duration) {
		pick(t, b, "b").Done(0, errFault)
		for ; !b.Status()[0].Available; lasted += time.Second {
			c.advance(time.Second)
		}
		return lasted
	}
	for i, want := range []time.Duration{1, 2, 3} {
		if got := eject(); got != want*time.Second {
			t.Errorf("ejection %d lasted %v, want %d s", i+1, got, want)
		}
	}
	c.advance(2 * time.Second)
	if got := eject(); got != 2*time.Second {
		t.Errorf("after two good seconds: lasted %v, want 2 s", got)
	}
	c.advance(time.Hour)
	if got := eject(); got != time.Second {
		t.Errorf("after a good hour: lasted %v, want 1 s", got)
	}
}

func TestParsePolicy(t *testing.T) {
	for i, name := range PolicyNames() {
		if p, err := ParsePolicy(name); p != Policy(i) || err != nil {
			t.Errorf("ParsePolicy(%q) = %v, %v", name, p, err)
		}
	}
	if _, err := ParsePolicy("random"); err == nil {
		t.Error("ParsePolicy of another name is no error")
	}
}
