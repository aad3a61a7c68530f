package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// kind is what an answer is to the person who gets it.
type kind int

const (
	right   kind = iota // a redirect to a target the link has or had, a 201, a 200
	refused             // 503 with Retry-After: honest, and still an error for a visitor
	lost                // 404 or 410 of a link that is there
	astray              // a redirect to where the link never led
	broken              // no answer, or one that makes no sense
)

func (k kind) String() string {
	return [...]string{"right", "refused", "lost", "astray", "broken"}[k]
}

// An act is something that somebody did, and what came of it.
type act struct {
	kind kind
	due  time.Time     // when it was to be done
	took time.Duration // from then until it was answered: waiting for a free hand counts
	lag  time.Duration // for how long the target had been replaced
	note string        // what was wrong
}

// acts are in no order.
type acts []act

// between returns the acts that were due from one moment until another.
func (a acts) between(from, to time.Time) acts {
	var in acts
	for _, one := range a {
		if !one.due.Before(from) && one.due.Before(to) {
			in = append(in, one)
		}
	}
	return in
}

func (a acts) count(k kind) int {
	n := 0
	for _, one := range a {
		if one.kind == k {
			n++
		}
	}
	return n
}

// percentile returns how long at most the given part of the acts took, from 0 to 1.
func (a acts) percentile(part float64) time.Duration {
	if len(a) == 0 {
		return 0
	}
	took := make([]time.Duration, len(a))
	for i, one := range a {
		took[i] = one.took
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(part*float64(len(took))))]
}

// lag returns the act with the oldest target.
func (a acts) lag() act {
	return slices.MaxFunc(a, func(x, y act) int { return int(x.lag - y.lag) })
}

// A demand is what acts must hold to. Nobody may ever be led astray, or be told that a link is not there.
type demand struct {
	lag      time.Duration // for how long an old target may be given after the new one was acknowledged
	p99      time.Duration // 0: not looked at
	refusals bool          // 503 with Retry-After is accepted
}

// faults says in which ways the acts do not hold to what is demanded, a sentence each.
func (a acts) faults(d demand) []string {
	if len(a) == 0 {
		return []string{"idle: nothing was done"}
	}
	var found []string
	for _, k := range []kind{refused, lost, astray, broken} {
		if n := a.count(k); n > 0 && (k != refused || !d.refusals) {
			found = append(found, fmt.Sprintf("%v: %d of %d, such as %s", k, n, len(a), a.notes(k, 3)))
		}
	}
	if old := a.lag(); old.lag > d.lag {
		found = append(found, fmt.Sprintf("stale: %v after the edit was acknowledged, want at most %v: %s", old.lag, d.lag, old.note))
	}
	if got := a.percentile(0.99); d.p99 > 0 && got > d.p99 {
		found = append(found, fmt.Sprintf("slow: p99 is %v, want at most %v", got, d.p99))
	}
	return found
}

// notes returns some of the notes on acts of a kind.
func (a acts) notes(k kind, n int) string {
	var notes []string
	for _, one := range a {
		if one.kind == k && len(notes) < n {
			notes = append(notes, one.note)
		}
	}
	return strings.Join(notes, "; ")
}

// bySecond returns a line for each second since began, for the reader of a failed test.
func (a acts) bySecond(began time.Time) string {
	var b strings.Builder
	for from, rest := began, a; len(rest) > 0; {
		to := from.Add(time.Second)
		in := rest.between(from, to)
		if rest = rest.between(to, to.Add(time.Hour)); len(in) > 0 {
			fmt.Fprintf(&b, "%4.0f s: %4d, p50 %v, p99 %v", from.Sub(began).Seconds(), len(in), in.percentile(0.5).Round(time.Microsecond), in.percentile(0.99).Round(time.Microsecond))
			for k := refused; k <= broken; k++ {
				if n := in.count(k); n > 0 {
					fmt.Fprintf(&b, ", %d %v", n, k)
				}
			}
			if old := in.lag(); old.lag > 0 {
				fmt.Fprintf(&b, ", stale by %v", old.lag.Round(time.Millisecond))
			}
			b.WriteByte('\n')
		}
		from = to
	}
	return b.String()
}
