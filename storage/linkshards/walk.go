package linkshards

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"snowlink/shortener"
)

// Links are all links there are, to walk over.
type Links interface {
	// LinksAfter returns up to limit links with greater ids than id, deleted ones too, in the order of
	// ids; none if there are no more.
	LinksAfter(ctx context.Context, id int64, limit int) ([]shortener.Link, error)
	// CountLinks returns about how many there are.
	CountLinks(ctx context.Context) (int64, error)
}

// page is how many links are read at once, and the most that are sent to a shard in one batch.
const page = 1024

// walk calls f with all links, a page at a time. Links that are made meanwhile may be met or not: who
// makes them puts them into their shards.
func walk(ctx context.Context, links Links, f func([]shortener.Record) error) error {
	for after := int64(0); ; {
		found, err := links.LinksAfter(ctx, after, page)
		if err != nil {
			return fmt.Errorf("walk over the links: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		records := make([]shortener.Record, len(found))
		for i, link := range found {
			records[i] = link.Record()
		}
		if err := f(records); err != nil {
			return err
		}
		if after, err = strconv.ParseInt(found[len(found)-1].ID, 10, 64); err != nil {
			return fmt.Errorf("walk over the links: %w", err)
		}
	}
}

// pace bounds how fast something is done: so many a second, on average since it began.
type pace struct {
	begun  time.Time
	done   int
	perSec int
}

func newPace(perSec int) *pace { return &pace{begun: time.Now(), perSec: perSec} }

// did counts n more, and waits for as long as they came too early.
func (p *pace) did(ctx context.Context, n int) {
	p.done += n
	due := p.begun.Add(time.Duration(float64(p.done) / float64(p.perSec) * float64(time.Second)))
	if early := time.Until(due); early > time.Millisecond {
		pause(ctx, early)
	}
}
