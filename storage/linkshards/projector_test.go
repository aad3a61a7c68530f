package linkshards_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore/sqlite"
	"snowlink/storage/linkshards"
)

func openLog(t *testing.T) *sqlite.Store {
	t.Helper()
	log, err := sqlite.Open(filepath.Join(t.TempDir(), "events.db"), sqlite.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// appendLink makes a link, or edits it if it is there.
func appendLink(t *testing.T, log *sqlite.Store, code string) shortener.Record {
	t.Helper()
	before, err := log.Link(t.Context(), shortener.Ref{Code: code})
	kind, content := shortener.LinkEdited, shortener.Content{RedirectStatus: 302}
	if shortener.KindOf(err) == shortener.NotFound {
		head, _ := log.Head(t.Context())
		kind, content.ID, before = shortener.LinkCreated, fmt.Sprint(head+1), shortener.Link{Ref: shortener.Ref{Code: code}}
	} else if err != nil {
		t.Fatal(err)
	}
	content.Target = fmt.Sprintf("https://example.com/%s/%d", code, before.Version+1)
	data, _ := json.Marshal(content)
	e := shortener.Event{
		ID: fmt.Sprintf("%s-%d", code, before.Version+1), Ref: before.Ref, Version: before.Version + 1, Type: kind,
		At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Data: data,
	}
	after, err := before.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := log.Append(t.Context(), shortener.Commit{Ref: before.Ref, Expected: before.Version, Events: []shortener.Event{e}, After: after})
	if err != nil {
		t.Fatal(err)
	}
	return link.Record()
}

// project runs a projector until the returned function is called. Each step's rest is sent on lag.
func project(t *testing.T, log linkshards.FollowedLog, s *linkshards.Shards, change func(*linkshards.ProjectorConfig)) (lag chan int64, stop func()) {
	lag = make(chan int64, 1000)
	cfg := linkshards.ProjectorConfig{
		Log: log, Shards: s, Name: "shards", Logger: quiet, Grace: time.Nanosecond, OnLag: func(n int64) { lag <- n },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- linkshards.NewProjector(cfg).Run(ctx) }()
	return lag, func() {
		cancel()
		if err := receive(t, ended, "the projector's end"); !errors.Is(err, context.Canceled) {
			t.Errorf("projector: got %v, want the context's error", err)
		}
	}
}

func TestTheProjectorPutsWhatWritersMissed(t *testing.T) {
	log, s := openLog(t), newShards(t, linkshards.Options{}, newEmbedded(t, 3)...)
	var want []shortener.Record
	for i := range 50 {
		want = append(want, appendLink(t, log, fmt.Sprintf("c%d", i)))
	}
	want[7] = appendLink(t, log, "c7")
	_, stop := project(t, log, s, func(c *linkshards.ProjectorConfig) { c.Batch = 20 })
	untilHeld(t, s, want...)
	untilHeld(t, s, appendLink(t, log, "later"))
	stop()
	if at, err := log.Checkpoint(t.Context(), "shards"); at != 52 || err != nil {
		t.Errorf("checkpoint after the end: got %d, %v; want 52", at, err)
	}

	// The next one goes on where this one ended: what the shards lost meanwhile is not its business.
	fresh := newShards(t, linkshards.Options{}, newEmbedded(t, 3)...)
	missed := appendLink(t, log, "meanwhile")
	lag, stop := project(t, log, fresh, nil)
	defer stop()
	receive(t, lag, "a step")
	wantRecord(t, fresh, missed)
	if _, err := fresh.Get(t.Context(), want[0].Ref); !errors.Is(err, linkshards.ErrMiss) {
		t.Errorf("a link from before the checkpoint: got %v, want ErrMiss", err)
	}
}

func TestTheProjectorMayBeginAtTheHead(t *testing.T) {
	log, s := openLog(t), newShards(t, linkshards.Options{}, newEmbedded(t, 1)...)
	old := appendLink(t, log, "old")
	if err := log.SetCheckpoint(t.Context(), "shards", 0); err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{}, 8)
	_, stop := project(t, tellHead{log, began}, s, func(c *linkshards.ProjectorConfig) { c.AtHead = true })
	defer stop()
	receive(t, began, "its look at the head")
	untilHeld(t, s, appendLink(t, log, "new"))
	if _, err := s.Get(t.Context(), old.Ref); !errors.Is(err, linkshards.ErrMiss) {
		t.Errorf("a link from before the head: got %v, want ErrMiss", err)
	}
}

// tellHead tells when the head was asked for.
type tellHead struct {
	*sqlite.Store
	asked chan struct{}
}

func (h tellHead) Head(ctx context.Context) (int64, error) {
	defer func() { h.asked <- struct{}{} }()
	return h.Store.Head(ctx)
}

func TestTheProjectorKeepsItsPlaceWhileAShardIsDown(t *testing.T) {
	server := startRedis(t)
	s := newShards(t, linkshards.Options{Breaker: patient}, append(newEmbedded(t, 1), server.shard(t, "real"))...)
	server.kill()
	log := openLog(t)
	var up, down []shortener.Record
	for i := range 40 {
		r := appendLink(t, log, fmt.Sprintf("c%d", i))
		if s.Owner(r.Ref) == "real" {
			down = append(down, r)
		} else {
			up = append(up, r)
		}
	}
	_, stop := project(t, log, s, nil)
	defer stop()
	untilHeld(t, s, up...) // the other shard is served meanwhile
	if at, err := log.Checkpoint(t.Context(), "shards"); at != 0 || err != nil {
		t.Errorf("checkpoint while a shard is down: got %d, %v; want 0", at, err)
	}
	server.start(t)
	untilHeld(t, s, down...)
}

// untilHeld waits until the shards hold the records.
func untilHeld(t *testing.T, s *linkshards.Shards, want ...shortener.Record) {
	t.Helper()
	l := time.After(20 * time.Second)
	for _, r := range want {
		for {
			if got, err := s.Get(t.Context(), r.Ref); err == nil && got == r {
				break
			}
			select {
			case <-l:
				t.Fatalf("the shards do not hold %s version %d after 20s", r.Ref, r.Version)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// A shard that is down is owed its links, and does not make those of the others late. What is owed
// outlives the projector.
func TestTheProjectorOwesAShardThatIsDown(t *testing.T) {
	down := startRedis(t)
	members := append(newEmbedded(t, 1), down.shard(t, "down"))
	log, s := openLog(t), newShards(t, linkshards.Options{}, members...)
	down.kill()
	var healthy, owed []shortener.Record
	for i := 0; len(healthy) < 30 || len(owed) < 30; i++ {
		r := appendLink(t, log, fmt.Sprintf("c%d", i))
		if s.Owner(r.Ref) == "down" {
			owed = append(owed, r)
		} else {
			healthy = append(healthy, r)
		}
	}
	_, stop := project(t, log, s, func(c *linkshards.ProjectorConfig) { c.Batch = 10 })
	untilHeld(t, s, healthy...)
	untilHeld(t, s, appendHealthy(t, log, s)...)
	stop()
	if at, err := log.Checkpoint(t.Context(), "shards"); at >= 10 || err != nil {
		t.Errorf("the checkpoint is %d, %v; want one in the first batch, which is owed", at, err)
	}
	down.start(t)
	lag, stop := project(t, log, s, nil)
	defer stop()
	untilHeld(t, s, owed...)
	for receive(t, lag, "a lag of 0") != 0 {
	}
}

// appendHealthy makes links of which none belongs to the shard that is down.
func appendHealthy(t *testing.T, log *sqlite.Store, s *linkshards.Shards) (made []shortener.Record) {
	for i := 0; len(made) < 5; i++ {
		if code := fmt.Sprintf("later%d", i); s.Owner(shortener.Ref{Code: code}) != "down" {
			made = append(made, appendLink(t, log, code))
		}
	}
	return made
}
