//go:build integration

package fleet

import (
	"fmt"
	"testing"
	"time"
)

func TestFailover(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.seed(seedLinks)
	f.run("a primary is killed and its replica takes over", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			was := f.do("primary", "a")
			f.do("kill", was)
			f.awaitFailover("a", was)
			time.Sleep(pauseFor) // the new primary has no replica and refuses writes
			f.do("start", was)
		})
	})
	f.run("a primary hangs through a failover and wakes up", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			was := f.do("primary", "b")
			f.do("pause", was)
			f.awaitFailover("b", was)
			time.Sleep(time.Second)
			f.do("resume", was)
		})
	})
	f.run("a primary comes back empty before anybody takes over", func(t *testing.T) {
		f.endure(t, stalePubs, func() {
			was := f.do("primary", "c")
			f.do("kill", was)
			f.do("empty", was)
			f.do("start", was)
		})
	})
	f.recount(t, stalePubs)
}

// awaitFailover returns once the sentinels take another instance of the shard for its primary.
func (f *fleet) awaitFailover(shard, was string) {
	f.t.Helper()
	began := time.Now()
	f.eventually("failed over", 30*time.Second, func() error {
		if f.do("primary", shard) == was {
			return fmt.Errorf("%s is still the primary", was)
		}
		return nil
	})
	f.t.Logf("shard %s failed over after %v", shard, time.Since(began).Round(time.Millisecond))
}
