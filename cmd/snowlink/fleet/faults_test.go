//go:build integration

package fleet

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// What a test does is smaller than what it stands for, unless the environment asks for all of it.
var (
	seedLinks  = number("FLEET_LINKS", 4000)
	pauseFor   = time.Duration(number("FLEET_PAUSE_SECONDS", 4)) * time.Second
	load       = rates{visits: float64(number("FLEET_RATE", 100)), edits: 5, creates: 5}
	quick      = time.Duration(number("FLEET_P99_MS", 1500)) * time.Millisecond // 100 on a machine that does nothing else
	stalePubs  = 31 * time.Second                                               // an edge that could not be told keeps what it has for half a minute
	promptness = time.Second                                                    // and hears of an edit within a second otherwise
)

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// endure has the crowd on the fleet while something happens to it, and for a while before and after.
// Nobody may notice: no redirect fails or leads astray, every create is answered, and one second after
// the event began redirects are as fast as ever.
func (f *fleet) endure(t *testing.T, lag time.Duration, event func()) {
	t.Helper()
	f.watch(t, lag, demand{}, event)
}

// endureWithout does the same while there may be nobody to edit links or make new ones.
func (f *fleet) endureWithout(t *testing.T, lag time.Duration, event func()) {
	t.Helper()
	f.watch(t, lag, demand{refusals: true}, event)
}

func (f *fleet) watch(t *testing.T, lag time.Duration, changes demand, event func()) {
	t.Helper()
	began := time.Now()
	f.crowd.gather(load)
	time.Sleep(time.Second)
	struck := time.Now()
	event()
	time.Sleep(3 * time.Second)
	f.crowd.disperse()
	visits, edits, creates := f.crowd.acts()
	report(t, "redirects", visits.faults(demand{lag: lag}))
	later := visits.between(struck.Add(time.Second), time.Now())
	report(t, "redirects from a second on", later.faults(demand{lag: lag, p99: quick}))
	report(t, "edits", edits.faults(changes))
	report(t, "creates", creates.faults(changes))
	t.Logf("%d redirects, %d edits, %d creates; p99 %v; an old target for %v at most", len(visits), len(edits), len(creates),
		visits.percentile(0.99), visits.lag().lag)
	if t.Failed() {
		t.Logf("second by second\n%s", visits.bySecond(began))
	}
}

// recount wants every link that was acknowledged to be where it should, at every edge, as soon as edits
// must have reached all of them.
func (f *fleet) recount(t *testing.T, limit time.Duration) {
	t.Helper()
	began := time.Now()
	for {
		faults := f.crowd.recount(2000).faults(demand{})
		if len(faults) == 0 {
			t.Logf("every link is there, at every edge, after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > limit*raceFactor {
			report(t, "in the end", faults)
			return
		}
		time.Sleep(time.Second)
	}
}

func TestShardsThatDie(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--replicas", "0")
	f.seed(seedLinks)
	f.run("each is killed in turn and comes back", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			for _, shard := range []string{"redis-a-1", "redis-b-1", "redis-c-1"} {
				f.do("kill", shard)
				time.Sleep(2 * time.Second)
				f.do("start", shard)
				time.Sleep(2 * time.Second)
			}
		})
	})
	f.run("one is killed and comes back empty", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			f.do("kill", "redis-b-1")
			f.do("empty", "redis-b-1")
			f.do("start", "redis-b-1")
			time.Sleep(2 * time.Second)
		})
	})
	f.run("one hangs", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			f.do("pause", "redis-c-1")
			time.Sleep(pauseFor)
			f.do("resume", "redis-c-1")
		})
	})
	f.recount(t, stalePubs)
}
