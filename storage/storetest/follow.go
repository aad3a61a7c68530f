package storetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// appendsVariable says how many events each of the 8 writers of the longest test appends: 400 unless it
// is set. 10,000 is what a release is held to.
const appendsVariable = "SNOWLINK_STORETEST_APPENDS"

func appendsEach() int {
	if n, err := strconv.Atoi(os.Getenv(appendsVariable)); err == nil && n > 0 {
		return n
	}
	return 400
}

// gapless has 8 writers append, while a follower reads the log that is killed again and again and goes
// on where its record ends. The record must have every event once, in order. Then the view is made anew
// from nothing, and must be the same to the byte.
func gapless(t *testing.T, logs EventLogs) {
	if place := os.Getenv(placeVariable); place != "" {
		followForever(t, logs.Open(t, place, time.Now), os.Getenv(placeVariable+"_RECORD"))
	}
	const writers = 8
	each := appendsEach()
	place, record := logs.Place(t), filepath.Join(t.TempDir(), "record")
	stores := []eventstore.Store{logs.open(t, place)}
	for logs.Shared && len(stores) < 3 {
		stores = append(stores, logs.open(t, place))
	}
	begun := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { appendMany(t, stores[w%len(stores)], fmt.Sprintf("w%d", w), each) })
	}
	kills := 0
	for t.Context().Err() == nil && !t.Failed() && len(readRecord(t, record)) < writers*each {
		if logs.Shared {
			followAndKill(t, place, record)
		} else {
			followAndStop(t, stores[0], record)
		}
		kills++
	}
	wg.Wait()
	t.Logf("%d events by %d writers, followed in %d lives: %v", writers*each, writers, kills, time.Since(begun).Round(time.Millisecond))
	wantRecord(t, stores[0], readRecord(t, record), writers*each)
	wantSound(t, stores[0])
	wantSameViewFromNothing(t, logs, stores[0], place)
}

// appendMany makes links and changes every third of them.
func appendMany(t *testing.T, log eventstore.Store, name string, n int) {
	var link shortener.Link
	for i := range n {
		c := creation(ref(fmt.Sprintf("%s-%d", name, i)), to("https://one.example/"))
		if i%4 == 3 {
			c = commit(link, shortener.LinkEdited, &shortener.Content{Target: "https://two.example/", RedirectStatus: 301, Tags: []string{name}})
		}
		var err error
		if link, _, err = log.Append(t.Context(), c); err != nil {
			t.Errorf("append %d of writer %s: %v", i, name, err)
			return
		}
	}
}

// follow writes each event of the log to the record, "position id", from the record's end on, until ctx
// ends. What stands in the record is what was seen, and how far: both are written at once.
func follow(ctx context.Context, log eventstore.Store, record string) error {
	file, at, err := resume(record)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		if err := log.Wait(ctx, at); err != nil {
			return err
		}
		events, err := log.Read(ctx, at, 97)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return fmt.Errorf("nothing to read after %d, though Wait had returned", at)
		}
		for _, e := range events {
			at = e.Position
			if _, err := fmt.Fprintf(file, "%d %s\n", e.Position, e.ID); err != nil {
				return err
			}
		}
	}
}

// resume opens the record, cuts a line off that was not written to its end, and returns the position in
// the last one.
func resume(record string) (*os.File, int64, error) {
	text, err := os.ReadFile(record)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, 0, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	var at int64
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); lines[0] != "" {
		if _, err := fmt.Sscan(lines[len(lines)-1], &at); err != nil {
			return nil, 0, err
		}
	}
	file, err := os.OpenFile(record, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, err
	}
	if err := file.Truncate(int64(len(text))); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	_, err = file.Seek(0, 2)
	return file, at, err
}

// followForever is the life of a follower in a process of its own.
func followForever(t *testing.T, log eventstore.Store, record string) {
	fmt.Println("following")
	t.Errorf("follow: %v", follow(context.Background(), log, record))
	log.Close()
}

// followAndKill has another process follow and kills it after a while.
func followAndKill(t *testing.T, place, record string) {
	cmd := exec.Command(os.Args[0], "-test.run", exactly(t.Name()), "-test.count=1")
	cmd.Env = append(os.Environ(), placeVariable+"="+place, placeVariable+"_RECORD="+record)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a follower: %v", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "following" {
		t.Log(lines.Text())
	}
	time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v", err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

// followAndStop is for stores that belong to one process: the follower is a goroutine, which leaves its
// work wherever it is.
func followAndStop(t *testing.T, log eventstore.Store, record string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Millisecond)
	defer cancel()
	if err := follow(ctx, log, record); ctx.Err() == nil {
		t.Errorf("follow: %v", err)
	}
}

func readRecord(t *testing.T, record string) []string {
	t.Helper()
	text, err := os.ReadFile(record)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// wantRecord wants each event of the log once, in order.
func wantRecord(t *testing.T, log eventstore.Store, seen []string, n int) {
	t.Helper()
	if head, err := log.Head(t.Context()); head != int64(n) || err != nil || len(seen) != n {
		t.Fatalf("the head is %d, %v, and the follower has seen %d events; want %d", head, err, len(seen), n)
	}
	for at := int64(0); at < int64(n); {
		events, err := log.Read(t.Context(), at, 1000)
		if err != nil || len(events) == 0 {
			t.Fatalf("read after %d: %d events, %v", at, len(events), err)
		}
		for _, e := range events {
			at++
			if want := fmt.Sprintf("%d %s", at, e.ID); e.Position != at || seen[at-1] != want {
				t.Fatalf("event %d of the log: position %d, seen as %q; want %q", at, e.Position, seen[at-1], want)
			}
		}
	}
}

// wantSameViewFromNothing empties the view and wants it back.
func wantSameViewFromNothing(t *testing.T, logs EventLogs, log eventstore.Store, place string) {
	t.Helper()
	before := view(t, log)
	logs.Exec(t, place, `DELETE FROM links`)
	if n, err := log.CountLinks(t.Context()); n != 0 || err != nil {
		t.Fatalf("links in the emptied view: %d, %v", n, err)
	}
	begun := time.Now()
	if err := log.Replay(t.Context(), nil); err != nil {
		t.Fatalf("replay: %v", err)
	}
	t.Logf("replay: %v", time.Since(begun).Round(time.Millisecond))
	if after := view(t, log); !bytes.Equal(before, after) {
		t.Errorf("the view after a replay from nothing, %d bytes, is not the one before, %d bytes", len(after), len(before))
	}
	wantSound(t, log)
}

// view returns all links as bytes.
func view(t *testing.T, log eventstore.Store) []byte {
	t.Helper()
	var all bytes.Buffer
	encode := json.NewEncoder(&all)
	for after := int64(0); ; {
		links, err := log.LinksAfter(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(links) == 0 {
			return all.Bytes()
		}
		for _, l := range links {
			if err := encode.Encode(l); err != nil {
				t.Fatal(err)
			}
			after, _ = strconv.ParseInt(l.ID, 10, 64)
		}
	}
}
