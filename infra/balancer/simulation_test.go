package balancer

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simulation is a service of several instances under an open load, in virtual time. An instance has eight
// workers and a queue; how long a call takes is exponential about the instance's mean.
type simulation struct {
	clock     *clock
	balancer  *Balancer
	chance    *rand.Rand
	instances map[string]*instance
	events    events
	latencies []time.Duration
}

type instance struct {
	mean  time.Duration
	busy  int
	queue []*request
}

type request struct {
	picked  Picked
	arrived time.Time
}

const workers = 8

// event is something that happens at a time.
type event struct {
	at time.Time
	do func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *simulation) after(d time.Duration, do func()) {
	heap.Push(&s.events, event{s.clock.t.Add(d), do})
}

func (s *simulation) exponential(mean time.Duration) time.Duration {
	return time.Duration(s.chance.ExpFloat64() * float64(mean))
}

// run lets calls arrive for a time, so many a second.
func (s *simulation) run(perSecond int, span time.Duration) {
	end := s.clock.t.Add(span)
	var arrive func()
	arrive = func() {
		if s.clock.t.Before(end) {
			s.call()
			s.after(s.exponential(time.Second/time.Duration(perSecond)), arrive)
		}
	}
	arrive()
	for len(s.events) > 0 {
		next := heap.Pop(&s.events).(event)
		s.clock.t = next.at
		next.do()
	}
}

func (s *simulation) call() {
	p, err := s.balancer.Pick()
	if err != nil {
		panic(err)
	}
	i := s.instances[p.Name]
	i.queue = append(i.queue, &request{p, s.clock.t})
	s.work(i)
}

func (s *simulation) work(i *instance) {
	if i.busy == workers || len(i.queue) == 0 {
		return
	}
	r := i.queue[0]
	i.queue = i.queue[1:]
	i.busy++
	s.after(s.exponential(i.mean), func() {
		took := s.clock.t.Sub(r.arrived)
		s.latencies = append(s.latencies, took)
		r.picked.Done(took, nil)
		i.busy--
		s.work(i)
	})
}

// p99 simulates a minute of 1,200 calls a second: half of what three healthy instances can bear.
func p99(policy Policy, means ...time.Duration) time.Duration {
	c := newClock()
	weights := make([]int, len(means))
	s := &simulation{
		clock: c, balancer: among(c, Config{Policy: policy}, weights...),
		chance: rand.New(rand.NewPCG(3, 4)), instances: map[string]*instance{},
	}
	for i, mean := range means {
		s.instances[string(rune('a'+i))] = &instance{mean: mean}
	}
	s.run(1200, time.Minute)
	slices.Sort(s.latencies)
	return s.latencies[len(s.latencies)*99/100]
}

func TestOneSlowInstanceOfFourIsHardlyFelt(t *testing.T) {
	const fast, slow = 10 * time.Millisecond, 200 * time.Millisecond
	healthy := p99(P2C, fast, fast, fast)
	with := p99(P2C, fast, fast, slow, fast)
	robin := p99(RoundRobin, fast, fast, slow, fast)
	least := p99(LeastRequest, fast, fast, slow, fast)
	t.Logf("p99 of three healthy instances %v; of four of which one is 20 times slower: %v by P2C, %v by least request, %v by round robin",
		healthy, with, least, robin)
	if with > healthy*3/2 {
		t.Errorf("p99 = %v, want 1.5 times %v at most", with, healthy)
	}
	if robin < 4*healthy {
		t.Errorf("p99 = %v by round robin: the slow instance is not felt, and this test shows nothing", robin)
	}
}
