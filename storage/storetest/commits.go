package storetest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// start is when the links of the suite begin to be made.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var sequence atomic.Int64

func nextID() string { return strconv.FormatInt(sequence.Add(1), 10) }

func ref(code string) shortener.Ref { return shortener.Ref{Code: code} }

// creation returns the commit that makes a link.
func creation(r shortener.Ref, c shortener.Content) shortener.Commit {
	c.ID = nextID()
	if c.RedirectStatus == 0 {
		c.RedirectStatus = 302
	}
	return commit(shortener.Link{Ref: r}, shortener.LinkCreated, &c)
}

// to returns a content that leads to a target.
func to(target string) shortener.Content {
	return shortener.Content{Target: target, RedirectStatus: 302}
}

// commit returns the commit of one event that follows on a link.
func commit(before shortener.Link, kind shortener.EventType, c *shortener.Content) shortener.Commit {
	id := nextID()
	n, _ := strconv.ParseInt(id, 10, 64)
	e := shortener.Event{
		ID: "ev" + id, Ref: before.Ref, Version: before.Version + 1, Type: kind,
		At: start.Add(time.Duration(n) * time.Millisecond), Actor: "key_suite",
	}
	if c != nil {
		e.Data, _ = json.Marshal(c) // contents always marshal
	}
	after, err := before.Apply(e)
	if err != nil {
		panic(fmt.Sprintf("the suite made an event that cannot be applied: %v", err))
	}
	return shortener.Commit{Ref: before.Ref, Expected: before.Version, Events: []shortener.Event{e}, After: after}
}

// mustAppend appends and returns the link.
func mustAppend(t testing.TB, log eventstore.Store, c shortener.Commit) shortener.Link {
	t.Helper()
	link, replayed, err := log.Append(t.Context(), c)
	if err != nil || replayed {
		t.Fatalf("append to %s: replayed %v, error %v; want it appended", c.Ref, replayed, err)
	}
	return link
}

func wantKind(t testing.TB, doing string, err error, want shortener.Kind) {
	t.Helper()
	if err == nil || shortener.KindOf(err) != want {
		t.Errorf("%s: error %v of kind %s, want kind %s", doing, err, shortener.KindOf(err), want)
	}
}

func wantSound(t testing.TB, log eventstore.Store) {
	t.Helper()
	report, err := log.Verify(t.Context(), nil)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if !report.OK() {
		t.Errorf("verify found %d faults, the first: %s; want none", report.Count, report.Faults[0])
	}
}
