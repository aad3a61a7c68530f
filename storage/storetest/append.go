package storetest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
)

func appended(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	expires := start.Add(48*time.Hour + 5*time.Millisecond)
	c := creation(shortener.Ref{Domain: "go.example", Code: "abc"}, shortener.Content{
		Target: "https://example.com/?q=%20#x", Title: "Ärger", Note: "n", Tags: []string{"a", "b"}, RedirectStatus: 307,
		StartsAt: &start, ExpiresAt: &expires, FallbackURL: "https://example.org/", ForwardQuery: true,
	})
	made := mustAppend(t, log, c)
	if c.Events[0].Position != 1 {
		t.Errorf("position of the first event: got %d, want 1", c.Events[0].Position)
	}
	found, err := log.Link(t.Context(), c.Ref)
	if err != nil || !reflect.DeepEqual(found, made) || !reflect.DeepEqual(found, c.After) {
		t.Errorf("link: got %+v, %v\nappended %+v\nwant %+v", found, err, made, c.After)
	}
	events, err := log.Events(t.Context(), c.Ref)
	if err != nil || !reflect.DeepEqual(events, c.Events) {
		t.Errorf("events: got %+v, %v\nwant %+v", events, err, c.Events)
	}
	_, err = log.Link(t.Context(), ref("abc"))
	wantKind(t, "link of the same code in another domain", err, shortener.NotFound)
	_, err = log.Events(t.Context(), ref("abc"))
	wantKind(t, "events of no link", err, shortener.NotFound)
}

func expectedVersions(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	v1 := mustAppend(t, log, creation(ref("a"), to("https://one.example/")))
	v2 := mustAppend(t, log, commit(v1, shortener.LinkDisabled, nil))
	for _, c := range []struct {
		name   string
		commit shortener.Commit
		want   shortener.Kind
	}{
		{"a code that is taken", creation(ref("a"), to("https://two.example/")), shortener.Taken},
		{"one version late", commit(v1, shortener.LinkDeleted, nil), shortener.Conflict},
		{"one version early", commit(func() shortener.Link { l := v2; l.Version++; return l }(), shortener.LinkDeleted, nil), shortener.Conflict},
		{"a link that never was", commit(shortener.Link{Ref: ref("b"), Version: 1}, shortener.LinkDeleted, nil), shortener.Conflict},
	} {
		_, _, err := log.Append(t.Context(), c.commit)
		wantKind(t, c.name, err, c.want)
	}
	mustAppend(t, log, commit(v2, shortener.LinkDeleted, nil))
	_, _, err := log.Append(t.Context(), creation(ref("a"), to("https://three.example/")))
	wantKind(t, "the code of a deleted link", err, shortener.Taken)
	if head, _ := log.Head(t.Context()); head != 3 {
		t.Errorf("head: got %d, want 3: what failed must not count", head)
	}
	wantSound(t, log)
}

func lies(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	c := creation(ref("a"), to("https://one.example/"))
	c.After.Target = "https://two.example/"
	if _, _, err := log.Append(t.Context(), c); err == nil {
		t.Error("append of a link that its events do not lead to: no error")
	}
	c = creation(ref("a"), to("https://one.example/"))
	c.Events = nil
	if _, _, err := log.Append(t.Context(), c); err == nil {
		t.Error("append of no events: no error")
	}
	c = creation(ref("a"), to("https://one.example/"))
	mustAppend(t, log, c)
	d := creation(ref("b"), to("https://one.example/"))
	d.Events[0].ID = c.Events[0].ID
	if _, _, err := log.Append(t.Context(), d); err == nil {
		t.Error("append of an event id that belongs to another link: no error")
	}
	_, err := log.Link(t.Context(), ref("b"))
	wantKind(t, "link of the refused commit", err, shortener.NotFound)
	wantSound(t, log)
}

func repeated(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	c := creation(ref("a"), to("https://one.example/"))
	v1 := mustAppend(t, log, c)
	v2 := mustAppend(t, log, commit(v1, shortener.LinkDisabled, nil))
	got, replayed, err := log.Append(t.Context(), c)
	if err != nil || !replayed || !reflect.DeepEqual(got, v1) {
		t.Errorf("the same commit again: got %+v, replayed %v, %v; want %+v, replayed", got, replayed, err, v1)
	}
	if now, _ := log.Link(t.Context(), c.Ref); now.Version != v2.Version {
		t.Errorf("version afterwards: got %d, want %d", now.Version, v2.Version)
	}
	if head, _ := log.Head(t.Context()); head != 2 {
		t.Errorf("head: got %d, want 2", head)
	}
}

func once(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	with := func(c shortener.Commit, owner string, fingerprint byte) shortener.Commit {
		c.Once = &shortener.Once{Owner: owner, Key: "k", Fingerprint: [32]byte{fingerprint}, Expires: time.Now().Add(time.Hour)}
		return c
	}
	made := mustAppend(t, log, with(creation(ref("a"), to("https://one.example/")), "me", 1))
	mustAppend(t, log, commit(made, shortener.LinkEdited, &shortener.Content{Target: "https://edited.example/", RedirectStatus: 301}))

	got, replayed, err := log.Append(t.Context(), with(creation(ref("b"), to("https://one.example/")), "me", 1))
	if err != nil || !replayed || !reflect.DeepEqual(got, made) {
		t.Errorf("the same request again: got %+v, replayed %v, %v\nwant the link as it was made: %+v", got, replayed, err, made)
	}
	_, _, err = log.Append(t.Context(), with(creation(ref("b"), to("https://one.example/")), "me", 2))
	wantKind(t, "another request under the key", err, shortener.Invalid)
	_, err = log.Link(t.Context(), ref("b"))
	wantKind(t, "link of the repeated request", err, shortener.NotFound)
	mustAppend(t, log, with(creation(ref("b"), to("https://one.example/")), "you", 2))
}

func onceConcurrently(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		codes = make(map[string]int)
		made  int
	)
	for i := range 16 {
		wg.Go(func() {
			c := creation(ref(fmt.Sprintf("c%d", i)), to("https://one.example/"))
			c.Once = &shortener.Once{Owner: "me", Key: "k", Fingerprint: [32]byte{1}, Expires: time.Now().Add(time.Hour)}
			link, replayed, err := log.Append(t.Context(), c)
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			codes[link.Code]++
			if !replayed {
				made++
			}
		})
	}
	wg.Wait()
	if made != 1 || len(codes) != 1 {
		t.Errorf("16 equal requests: got %d links made, answers %v; want one link for all", made, codes)
	}
}

func onceExpires(t *testing.T, logs EventLogs) {
	var mu sync.Mutex
	now := start
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	log := logs.Open(t, logs.Place(t), clock)
	t.Cleanup(func() { log.Close() })
	with := func(code string) shortener.Commit {
		c := creation(ref(code), to("https://one.example/"))
		c.Once = &shortener.Once{Owner: "me", Key: "k", Fingerprint: [32]byte{1}, Expires: start.Add(24 * time.Hour)}
		return c
	}
	mustAppend(t, log, with("a"))
	set := func(at time.Time) { mu.Lock(); defer mu.Unlock(); now = at }
	set(start.Add(24*time.Hour - time.Millisecond))
	if link, replayed, err := log.Append(t.Context(), with("b")); !replayed || link.Code != "a" {
		t.Errorf("one tick before the expiry: got %q, replayed %v, %v; want \"a\", replayed", link.Code, replayed, err)
	}
	set(start.Add(24 * time.Hour))
	if link := mustAppend(t, log, with("c")); link.Code != "c" {
		t.Errorf("at the expiry: got %q, want \"c\"", link.Code)
	}
}

func neighbours(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	const codes, rivals = 10, 8
	var wg sync.WaitGroup
	won := make([][]string, codes) // targets of those told that they won
	var mu sync.Mutex
	for i := range codes * rivals {
		wg.Go(func() {
			code, target := i%codes, fmt.Sprintf("https://%d.example/", i)
			_, _, err := log.Append(t.Context(), creation(ref(fmt.Sprintf("c%d", code)), to(target)))
			if err != nil {
				wantKind(t, "the code of a rival", err, shortener.Taken)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won[code] = append(won[code], target)
		})
	}
	wg.Wait()
	for i, targets := range won {
		link, err := log.Link(t.Context(), ref(fmt.Sprintf("c%d", i)))
		if err != nil || len(targets) != 1 || link.Target != targets[0] {
			t.Errorf("code %d: link to %q, %v; told to have won: %v", i, link.Target, err, targets)
		}
	}
	wantSound(t, log)
}

func closed(t *testing.T, logs EventLogs) {
	log := logs.Open(t, logs.Place(t), time.Now)
	waited := make(chan error, 1)
	go func() { waited <- log.Wait(context.Background(), 0) }()
	if err := log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	wantKind(t, "wait over the close", <-waited, shortener.Unavailable)
	_, _, err := log.Append(t.Context(), creation(ref("a"), to("https://one.example/")))
	wantKind(t, "append after the close", err, shortener.Unavailable)
}
