package breaker

// probes are the permits of a half-open breaker.
type probes struct {
	out       []probe
	last      uint64 // ticket given out
	succeeded int
}

// A probe is a permit that is out, or free if its ticket is 0. The ticket tells its holder from those
// who had it before.
type probe struct {
	ticket   uint64
	deadline int64
}

func (p *probes) reset() {
	clear(p.out)
	p.succeeded = 0
}

// take gives out a permit until deadline, and returns its ticket, or 0 if none is free.
func (p *probes) take(deadline int64) uint64 {
	for i := range p.out {
		if p.out[i].ticket == 0 {
			p.last++
			p.out[i] = probe{p.last, deadline}
			return p.last
		}
	}
	return 0
}

// release takes back the permit with that ticket, and reports whether it was out.
func (p *probes) release(ticket uint64) bool {
	for i := range p.out {
		if ticket != 0 && p.out[i].ticket == ticket {
			p.out[i] = probe{}
			return true
		}
	}
	return false
}

// overdue reports whether a permit is out that should be back.
func (p *probes) overdue(now int64) bool {
	for _, out := range p.out {
		if out.ticket != 0 && now >= out.deadline {
			return true
		}
	}
	return false
}
