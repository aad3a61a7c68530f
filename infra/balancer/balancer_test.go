package balancer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var errFault = errors.New("fault")

// clock is time that passes when it is told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

// among returns a balancer of upstreams a, b, …, with a seeded source of chance.
func among(c *clock, config Config, weights ...int) *Balancer {
	config.Now = c.now
	r := rand.New(rand.NewPCG(1, 2))
	config.Rand = r.IntN
	b := New(config)
	var set []Upstream
	for i, w := range weights {
		name := string(rune('a' + i))
		set = append(set, Upstream{Name: name, Addr: name + ":80", Weight: w})
	}
	b.Set(set)
	return b
}

func pick(t interface{ Fatal(...any) }, b *Balancer, except ...string) Picked {
	p, err := b.Pick(except...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheSlowerUpstreamGetsFewerCalls(t *testing.T) {
	c := newClock()
	b := among(c, Config{}, 1, 1, 1)
	count := map[string]int{}
	for range 3000 {
		p := pick(t, b)
		count[p.Name]++
		took := 10 * time.Millisecond
		if p.Name == "b" {
			took = 100 * time.Millisecond
		}
		c.advance(time.Millisecond)
		p.Done(took, nil)
	}
	// Two of three draws of two contain it, and it loses them while it is known to be slow.
	if count["b"] > 30 || count["a"] < 1000 || count["c"] < 1000 {
		t.Errorf("calls = %v, want few to b", count)
	}
	c.advance(time.Minute)
	for range 10 {
		p := pick(t, b)
		count[p.Name]++
		p.Done(10*time.Millisecond, nil)
	}
	before := count["b"]
	for range 3000 {
		c.advance(time.Second)
		p := pick(t, b)
		count[p.Name]++
		p.Done(10*time.Millisecond, nil)
	}
	if got := count["b"] - before; got < 600 {
		t.Errorf("%d of 3000 calls to b after it had recovered, want about a third", got)
	}
}

func TestOneSlowCallIsNoticedAtOnce(t *testing.T) {
	c := newClock()
	b := among(c, Config{}, 1, 1)
	for range 20 {
		pick(t, b).Done(time.Millisecond, nil)
	}
	p := pick(t, b, "b")
	p.Done(time.Second, nil)
	if got := pick(t, b).Name; got != "b" {
		t.Errorf("picked %s right after it was slow", got)
	}
}

func TestCallsUnderWayCount(t *testing.T) {
	for _, policy := range []Policy{P2C, LeastRequest} {
		c := newClock()
		b := among(c, Config{Policy: policy}, 1, 1)
		for _, name := range []string{"b", "a"} {
			pick(t, b, name).Done(time.Millisecond, nil)
		}
		hung := pick(t, b)
		for range 5 {
			p := pick(t, b)
			if p.Name == hung.Name {
				t.Errorf("policy %d: picked %s while it has a call under way and the other has none", policy, p.Name)
			}
			p.Done(time.Millisecond, nil)
		}
	}
}

func TestWeights(t *testing.T) {
	for _, policy := range []Policy{P2C, LeastRequest, RoundRobin} {
		c := newClock()
		b := among(c, Config{Policy: policy}, 3, 1)
		count := map[string]int{}
		var open []Picked
		for range 400 { // four calls at a time
			p := pick(t, b)
			count[p.Name]++
			if open = append(open, p); len(open) == 4 {
				for _, p := range open {
					p.Done(time.Millisecond, nil)
				}
				open = nil
			}
		}
		if count["a"] < 2*count["b"] {
			t.Errorf("policy %d: calls = %v, want about 3 to 1", policy, count)
		}
	}
}

func TestRoundRobinIsEvenlySpread(t *testing.T) {
	b := among(newClock(), Config{Policy: RoundRobin}, 2, 1, 1)
	var order string
	for range 8 {
		order += pick(t, b).Name
	}
	if order != "abcaabca" {
		t.Errorf("order = %s, want abcaabca", order)
	}
}

func TestEjection(t *testing.T) {
	c := newClock()
	b := among(c, Config{Policy: RoundRobin, EjectAfter: 3, EjectFor: time.Second}, 1, 1, 1)
	fail := func(name string, times int) {
		var others []string
		for _, s := range b.Status() {
			if s.Upstream.Name != name {
				others = append(others, s.Upstream.Name)
			}
		}
		for range times {
			pick(t, b, others...).Done(time.Millisecond, errFault)
		}
	}
	available := func() (names string) {
		for _, s := range b.Status() {
			if s.Available {
				names += s.Upstream.Name
			}
		}
		return names
	}
	want := func(when, names string) {
		t.Helper()
		if got := available(); got != names {
			t.Errorf("%s: available = %s, want %s", when, got, names)
		}
	}
	fail("a", 2)
	want("one failure short", "abc")
	fail("a", 1)
	want("three in a row", "bc")
	fail("b", 5)
	want("half may not be exceeded", "bc")
	c.advance(time.Second)
	want("after its time", "abc")
	fail("a", 3)
	c.advance(time.Second)
	want("the second time lasts longer", "bc")
	c.advance(time.Second)
	want("after twice the time", "abc")
	pick(t, b, "b", "c").Done(time.Millisecond, nil)
	fail("a", 2)
	pick(t, b, "b", "c").Done(time.Millisecond, context.Canceled)
	want("a call that was given up says nothing", "abc")
}

func TestTheOnlyUpstreamIsNeverEjected(t *testing.T) {
	b := among(newClock(), Config{EjectAfter: 1}, 1)
	for range 10 {
		pick(t, b).Done(0, errFault)
	}
}

func TestUnavailable(t *testing.T) {
	b := among(newClock(), Config{}, 1, 1)
	b.SetHealthy("a", false)
	for range 10 {
		if got := pick(t, b).Name; got != "b" {
			t.Errorf("picked %s, which is not healthy", got)
		}
	}
	if _, err := b.Pick("b"); !errors.Is(err, ErrNone) {
		t.Errorf("with none left: %v, want ErrNone", err)
	}
	b.Set([]Upstream{{Name: "c", Ready: func() bool { return false }}})
	if _, err := b.Pick(); !errors.Is(err, ErrNone) {
		t.Errorf("with none ready: %v, want ErrNone", err)
	}
}

func TestSetKeepsWhatIsKnown(t *testing.T) {
	b := among(newClock(), Config{}, 1)
	pick(t, b).Done(time.Second, nil)
	b.Set([]Upstream{{Name: "a", Addr: "a:80"}, {Name: "b", Addr: "b:80"}})
	if s := b.Status(); s[0].Latency != time.Second || s[1].Latency != 0 {
		t.Errorf("latencies = %v, %v, want 1 s, 0", s[0].Latency, s[1].Latency)
	}
	b.Set([]Upstream{{Name: "a", Addr: "elsewhere:80"}})
	if s := b.Status(); s[0].Latency != 0 {
		t.Errorf("latency = %v of an instance at another address, want 0", s[0].Latency)
	}
}

// Whatever happens, pending counts add up, at least half of the upstreams are not ejected, and one that
// is picked is available, unless too few are.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		weights := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 6).Draw(t, "weights")
		b := among(c, Config{Policy: Policy(rapid.IntRange(0, 2).Draw(t, "policy")), EjectAfter: 2}, weights...)
		var open []Picked
		t.Repeat(map[string]func(*rapid.T){
			"pick":       func(t *rapid.T) { open = append(open, checkedPick(t, b)) },
			"pick again": func(t *rapid.T) { open = append(open, checkedPick(t, b)) },
			"done": func(t *rapid.T) {
				if len(open) > 0 {
					err := rapid.SampledFrom([]error{nil, errFault, errFault, context.Canceled}).Draw(t, "err")
					open[0].Done(time.Duration(rapid.IntRange(-1, 1e9).Draw(t, "latency")), err)
					open = open[1:]
				}
			},
			"time": func(t *rapid.T) { c.advance(time.Duration(rapid.IntRange(0, 5e9).Draw(t, "time"))) },
			"health": func(t *rapid.T) {
				name := rapid.SampledFrom(b.Status()).Draw(t, "of").Upstream.Name
				b.SetHealthy(name, rapid.Bool().Draw(t, "healthy"))
			},
			"": func(t *rapid.T) {
				pending, ejected := 0, 0
				for _, s := range b.Status() {
					pending += s.Pending
					if s.Ejected {
						ejected++
					}
				}
				if pending != len(open) || 2*ejected > len(weights) {
					t.Fatalf("pending = %d of %d open, %d of %d ejected", pending, len(open), ejected, len(weights))
				}
			},
		})
	})
}

func checkedPick(t *rapid.T, b *Balancer) Picked {
	available := map[string]bool{}
	all := b.Status()
	for _, s := range all {
		if s.Available {
			available[s.Upstream.Name] = true
		}
	}
	p := pick(t, b)
	if panics := len(available)*10 < 3*len(all); !panics && !available[p.Name] {
		t.Fatalf("picked %s, available are %v of %d", p.Name, available, len(all))
	}
	return p
}

func BenchmarkPick(b *testing.B) {
	for policy, name := range map[Policy]string{P2C: "P2C", LeastRequest: "LeastRequest", RoundRobin: "RoundRobin"} {
		for _, n := range []int{2, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				lb := New(Config{Policy: policy})
				var set []Upstream
				for i := range n {
					set = append(set, Upstream{Name: fmt.Sprint(i)})
				}
				lb.Set(set)
				b.ReportAllocs()
				for b.Loop() {
					p, _ := lb.Pick()
					p.Done(time.Millisecond, nil)
				}
			})
		}
	}
}
