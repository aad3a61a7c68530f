package balancer

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func retries(b *Budget) (n int) {
	for b.Retry() {
		n++
	}
	return n
}

func TestBudget(t *testing.T) {
	c := newClock()
	b := NewBudget(BudgetConfig{Share: 0.25, PerSecond: 10, Burst: 100, Now: c.now})
	if got := retries(b); got != 100 {
		t.Errorf("%d retries of a new budget, want 100", got)
	}
	for range 40 {
		b.Call()
	}
	if got := retries(b); got != 10 {
		t.Errorf("%d retries after 40 calls, want 10", got)
	}
	c.advance(2 * time.Second)
	if got := retries(b); got != 20 {
		t.Errorf("%d retries after 2 s, want 20", got)
	}
	c.advance(-time.Hour)
	if got := retries(b); got != 0 {
		t.Errorf("%d retries after the clock was set back, want 0", got)
	}
	c.advance(24 * time.Hour)
	if got := retries(b); got != 100 {
		t.Errorf("%d retries after a day, want 100: what is not used does not pile up", got)
	}
}

// Over any time there are no more retries than a burst, a share of the calls, and what time brings.
func TestBudgetIsABound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		b := NewBudget(BudgetConfig{Share: 0.1, PerSecond: 5, Burst: 20, Now: c.now})
		var calls, retried, seconds float64
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				b.Call()
				calls++
			case 2:
				if b.Retry() {
					retried++
				}
			case 3:
				d := time.Duration(rapid.IntRange(0, 2e9).Draw(t, "time"))
				c.advance(d)
				seconds += d.Seconds()
			}
		}
		if most := 20 + 0.1*calls + 5*seconds; retried > most+1e-6 {
			t.Fatalf("%v retries, want %v at most", retried, most)
		}
	})
}
