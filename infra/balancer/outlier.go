package balancer

// eject takes m out for a while, unless too many are out already. Each time it is EjectFor longer, and as
// much shorter for each such time that it has been in between.
func (b *Balancer) eject(m *member, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	set := *b.set.Load()
	out := 1
	for _, o := range set {
		if o.stats != m.stats && o.ejected(now) {
			out++
		}
	}
	if m.ejected(now) || float64(out) > b.config.MaxEjected*float64(len(set)) {
		return
	}
	each := int64(b.config.EjectFor)
	good := max(0, now-m.ejectedUntil.Load()) / each
	m.failures.Store(0)
	m.ejections = min(max(0, m.ejections-good)+1, mostEjections)
	until := now + m.ejections*each
	m.ejectedUntil.Store(until)
	m.warmFrom.Store(until)
}

// mostEjections bounds how often an ejection gets longer.
const mostEjections = 10

// leastWarm is the part of its share that a newcomer gets at once: enough to show what it can do.
const leastWarm = 0.1

// warm leaves out newcomers, more often the newer they are, so that each gets a part of its share that
// grows from leastWarm to the whole during SlowStart. If that leaves none, all are kept.
func (b *Balancer) warm(free []*member, now int64) []*member {
	kept := free[:0:len(free)]
	var cold [16]*member
	left := cold[:0]
	for _, m := range free {
		if b.holdsBack(m, now) {
			left = append(left, m)
		} else {
			kept = append(kept, m)
		}
	}
	if len(kept) == 0 {
		return append(kept, left...)
	}
	return kept
}

func (b *Balancer) holdsBack(m *member, now int64) bool {
	from := m.warmFrom.Load()
	if from == 0 || now-from >= int64(b.config.SlowStart) {
		return false
	}
	const grain = 1 << 20
	warmth := max(leastWarm, float64(now-from)/float64(b.config.SlowStart))
	return float64(b.config.Rand(grain)) >= warmth*grain
}
