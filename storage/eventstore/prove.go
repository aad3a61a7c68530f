package eventstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"iter"

	"snowlink/shortener"
)

// page is a batch of events, or why it could not be read.
type page struct {
	events []shortener.Event
	err    error
}

// ahead yields the events after a position up to the head in batches, and reads the next batch while
// one is looked at. It stops at the end of ctx, or with an error if the log ends before the head.
func ahead(ctx context.Context, log Feed, at, head int64) iter.Seq2[[]shortener.Event, error] {
	return func(yield func([]shortener.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		pages := make(chan page)
		go func() {
			defer close(pages)
			for at := at; at < head; {
				events, err := log.Read(ctx, at, int(min(copyAtOnce, head-at)))
				if err == nil && len(events) == 0 {
					err = fmt.Errorf("the log has nothing after %d, though its head is %d", at, head)
				}
				select {
				case pages <- page{events, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
				at = events[len(events)-1].Position
			}
		}()
		defer func() {
			cancel()
			for range pages { // until the reader has ended
			}
		}()
		for p := range pages {
			if !yield(p.events, p.err) || p.err != nil {
				return
			}
		}
	}
}

// prove reads both stores and compares them event by event and link by link, byte by byte.
func (c *Copied) prove(ctx context.Context, from, to Portable, head int64, report func(int64)) (err error) {
	if err := c.proveLog(ctx, from, to, head, report); err != nil {
		return err
	}
	for name, store := range map[string]Portable{"source": from, "target": to} {
		if now, err := store.Head(ctx); err != nil || now != head {
			return errors.Join(err, fmt.Errorf("the %s has grown from %d events to %d during the copy: stop what writes to it, and run the copy again", name, head, now))
		}
	}
	ours, err := digestView(ctx, from, &c.Links)
	if err != nil {
		return fmt.Errorf("read the source: %w", err)
	}
	var links int64
	c.View, err = digestView(ctx, to, &links)
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	if ours != c.View || links != c.Links {
		return fmt.Errorf("the copy is not equal: the view of the source, %d links, differs from the target's, %d links", c.Links, links)
	}
	return nil
}

func (c *Copied) proveLog(ctx context.Context, from, to Portable, head int64, report func(int64)) error {
	theirs, stop := iter.Pull2(ahead(ctx, to, 0, head))
	defer stop()
	digest := sha256.New()
	for ours, err := range ahead(ctx, from, 0, head) {
		if err != nil {
			return fmt.Errorf("read the source: %w", err)
		}
		copied, err, _ := theirs()
		if err := errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("read the target: %w", err)
		}
		if err := compareEvents(digest, ours, copied); err != nil {
			return err
		}
		c.Events = ours[len(ours)-1].Position
		report(head + c.Events)
	}
	c.Log = hex.EncodeToString(digest.Sum(nil))
	return ctx.Err()
}

// compareEvents adds events to a digest, if they are equal.
func compareEvents(digest hash.Hash, ours, theirs []shortener.Event) error {
	for i, e := range ours {
		want := eventLine(e)
		if i >= len(theirs) || !bytes.Equal(want, eventLine(theirs[i])) {
			return fmt.Errorf("the copy is not equal: it differs at position %d", e.Position)
		}
		digest.Write(want)
	}
	return nil
}

// eventLine returns an event in a form in which equal events, and no others, are equal bytes.
func eventLine(e shortener.Event) []byte {
	line, _ := json.Marshal([]any{ // such values always marshal
		e.Position, e.ID, e.Ref.Domain, e.Ref.Code, e.Version, e.Type, e.At.UnixMilli(), e.Actor, []byte(e.Data),
	})
	return append(line, '\n')
}

// digestView returns the SHA-256 of all links in the order of their ids, and counts them.
func digestView(ctx context.Context, store Index, n *int64) (string, error) {
	digest := sha256.New()
	encode := json.NewEncoder(digest)
	for after := int64(0); ; {
		links, err := store.LinksAfter(ctx, after, copyAtOnce)
		if err != nil || len(links) == 0 {
			return hex.EncodeToString(digest.Sum(nil)), err
		}
		for _, l := range links {
			if err := encode.Encode(l); err != nil {
				return "", err
			}
			*n++
		}
		if after, err = LinkID(links[len(links)-1]); err != nil {
			return "", err
		}
	}
}
