package main

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// TestDurability is the promise: a process that is killed five times while links are made and
// followed loses no link, sends nobody astray, and counts every click once.
func TestDurability(t *testing.T) {
	const (
		kills    = 5
		visits   = 50_000
		links    = 300
		visitors = 8
		makers   = 4
	)
	s := newService(t)
	s.start()
	l := newLoad(t, s)
	var next atomic.Int64
	l.create(20, 0, &next)

	for i := range visitors {
		l.crowd.Go(func() { l.visit(fmt.Sprintf("visitor%d", i), 1<<62) })
	}
	for range makers {
		l.crowd.Go(func() { l.create(1<<62, visits/links/4, &next) })
	}
	for i := range int64(kills) {
		s.eventually(fmt.Sprintf("under load for kill %d", i+1), 2*time.Minute, l.reached((i+1)*visits/(kills+1), (i+1)*links/(kills+1)))
		s.kill() // with requests in flight on every line
		s.start()
	}
	s.eventually("visited enough", 2*time.Minute, l.reached(visits, links))
	l.disperse()

	l.resolve()
	l.settle(20 * time.Second)
	// A stop in order and one more start must add nothing: what was not acknowledged is sent again.
	s.stop()
	s.start()
	l.click(&line{address: s.public}, l.codes[0], "last")
	l.settle(20 * time.Second)
	s.stop()

	for _, fault := range firstOf(l.faults(), 20) {
		t.Error(fault)
	}
	if got, most := len(l.cutOff), kills*visitors; got > most {
		t.Errorf("%d requests were cut off, want at most %d: %d lines at %d kills", got, most, visitors, kills)
	}
	t.Logf("%d redirects and %d creates answered over %d kills; %d cut off, %d of them counted; %d refused for a while",
		len(l.answered), len(l.created), kills, len(l.cutOff), l.surplus(), l.unavailable)
}

// reached tells whether as many visits and creates were answered.
func (l *load) reached(visits, links int64) func() error {
	return func() error {
		if clicks, creates := l.clicks.Load(), l.creates.Load(); clicks < visits || creates < links {
			return fmt.Errorf("%d of %d redirects and %d of %d creates are answered", clicks, visits, creates, links)
		}
		return nil
	}
}

func firstOf(faults []string, n int) []string {
	if len(faults) <= n {
		return faults
	}
	return append(faults[:n:n], fmt.Sprintf("and %d more", len(faults)-n))
}
