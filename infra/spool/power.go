package spool

import (
	"fmt"
	"sync"
)

// powerGroup lets concurrent Appends share one wait for the medium: the first to come flushes what all
// have written by then.
type powerGroup struct {
	mu     sync.Mutex
	done   sync.Cond
	busy   bool
	synced uint64 // the highest sequence number on the medium
	err    error  // sticks: after a failed sync the kernel may have dropped the pages, and a retry may lie
}

// wait returns when seq is on the medium. flush returns the highest number it brought there.
func (g *powerGroup) wait(seq uint64, flush func() (uint64, error)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.synced < seq && g.err == nil {
		if g.busy {
			g.done.Wait()
			continue
		}
		g.busy = true
		g.mu.Unlock()
		upTo, err := flush()
		g.mu.Lock()
		g.busy = false
		if g.err = err; err == nil {
			g.synced = max(g.synced, upTo)
		}
		g.done.Broadcast()
	}
	if g.synced >= seq {
		return nil
	}
	return g.err
}

// flush brings every frame written so far to the medium.
func (s *Spool) flush() (upTo uint64, err error) {
	type stretch struct {
		seg      *segment
		from, to int
	}
	s.mu.Lock()
	upTo = s.nextSeq - 1
	var dirty []stretch
	for _, seg := range s.segs {
		if seg.flushed < seg.end {
			dirty = append(dirty, stretch{seg, seg.flushed, seg.end})
		}
	}
	s.mu.Unlock()
	for _, d := range dirty {
		if err := d.seg.sync(d.from, d.to); err != nil {
			return 0, fmt.Errorf("sync %s: %w", d.seg.path, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dirty {
		d.seg.flushed = d.to
	}
	return upTo, nil
}
