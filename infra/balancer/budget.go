package balancer

import (
	"sync"
	"time"
)

// BudgetConfig is the size of a Budget. The zero value of each field selects its default.
type BudgetConfig struct {
	Share     float64          // retries a call; 0.2
	PerSecond float64          // retries that come with time alone, for those who call rarely; 10
	Burst     float64          // the most there can be; 100
	Now       func() time.Time // time.Now
}

// Budget bounds retries to a share of the calls, so that a service that fails is not given several times
// its load because it fails. Make one with NewBudget. It is safe for concurrent use.
type Budget struct {
	config BudgetConfig
	mu     sync.Mutex
	left   float64
	filled time.Time
}

// NewBudget returns a budget that is full.
func NewBudget(c BudgetConfig) *Budget {
	if c.Share <= 0 {
		c.Share = 0.2
	}
	if c.PerSecond <= 0 {
		c.PerSecond = 10
	}
	if c.Burst <= 0 {
		c.Burst = 100
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Budget{config: c, left: c.Burst, filled: c.Now()}
}

// Call counts a call that is not a retry.
func (b *Budget) Call() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(b.config.Share)
}

// Retry reports whether a call may be tried once more, and counts that if so.
func (b *Budget) Retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.config.Now()
	b.add(max(0, now.Sub(b.filled).Seconds()) * b.config.PerSecond)
	b.filled = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (b *Budget) add(n float64) { b.left = min(b.left+n, b.config.Burst) }
