package balancer

import "fmt"

// Policy is a way to choose.
type Policy uint8

// The policies.
const (
	P2C Policy = iota
	LeastRequest
	RoundRobin
)

var policyNames = [...]string{"p2c", "least-request", "round-robin"}

// PolicyNames returns what ParsePolicy reads.
func PolicyNames() []string { return policyNames[:] }

// ParsePolicy reads "p2c", "least-request" or "round-robin".
func ParsePolicy(name string) (Policy, error) {
	for i, n := range policyNames {
		if n == name {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of %v", name, policyNames)
}

// choose takes one of those that are free.
func (b *Balancer) choose(free []*member, now int64) *member {
	if len(free) == 1 {
		return free[0]
	}
	switch b.config.Policy {
	case RoundRobin:
		return b.turn(free)
	case LeastRequest:
		return least(free, b.config.Rand(len(free)))
	}
	i, j := b.config.Rand(len(free)), b.config.Rand(len(free)-1)
	if j >= i {
		j++
	}
	if free[j].cost(now, b.config.Decay) < free[i].cost(now, b.config.Decay) {
		return free[j]
	}
	return free[i]
}

// turn is smooth weighted round robin: each gains its weight, the richest is taken and pays for all.
func (b *Balancer) turn(free []*member) *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	total, best := 0, free[0]
	for _, m := range free {
		total += m.Weight
		if m.credit += m.Weight; m.credit > best.credit {
			best = m
		}
	}
	best.credit -= total
	return best
}

// least returns the member with the fewest calls for its weight, the first from start on of several.
func least(free []*member, start int) *member {
	best := free[start]
	for i := range free {
		m := free[(start+i)%len(free)]
		if m.pending.Load()*int64(best.Weight) < best.pending.Load()*int64(m.Weight) {
			best = m
		}
	}
	return best
}
