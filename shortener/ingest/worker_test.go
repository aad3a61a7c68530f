package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
	"snowlink/shortener/ingest"
)

// queue is a Source that delivers every message until it is acknowledged.
type queue struct {
	messages []ingest.Message // not acknowledged
	fault    func(call string) error
	idle     func() // called when there is nothing to receive
}

func (q *queue) Receive(ctx context.Context) ([]ingest.Message, error) {
	if err := q.fault("receive"); err != nil {
		return nil, err
	}
	if len(q.messages) == 0 {
		q.idle()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for i := range q.messages {
		q.messages[i].Deliveries++
	}
	return slices.Clone(q.messages[:min(3, len(q.messages))]), nil
}

func (q *queue) Ack(_ context.Context, ids ...string) error {
	if err := q.fault("ack"); err != nil {
		return err
	}
	q.messages = slices.DeleteFunc(q.messages, func(m ingest.Message) bool { return slices.Contains(ids, m.ID) })
	return nil
}

// store is a Store in memory that counts a batch once.
type store struct {
	clicks map[string]shortener.StoredClick
	marks  map[string]bool
	fault  func(call string) error
}

func (s *store) Ingest(_ context.Context, batches []shortener.IngestBatch) (fresh int, err error) {
	if err := s.fault("ingest"); err != nil {
		return 0, err
	}
	for _, b := range batches {
		mark := fmt.Sprint(b.Producer, b.Number)
		if s.marks[mark] {
			continue
		}
		s.marks[mark] = true
		fresh++
		for _, c := range b.Clicks {
			s.clicks[c.ID()] = c
		}
	}
	return fresh, s.fault("commit") // committed, and the answer is lost
}

type applied map[string]int // batches by "producer number"

func (a applied) Applied(_ context.Context, producer string, numbers []uint64) error {
	for _, n := range numbers {
		a[fmt.Sprint(producer, n)]++
	}
	return nil
}

func encode(producer string, number, firstSeq uint64, clicks ...*shortener.Click) []byte {
	b := shortener.Batch{Producer: producer, Number: number, FirstSeq: firstSeq}
	for _, c := range clicks {
		var encoded []byte
		if c != nil {
			encoded = shortener.AppendClick(nil, c)
		}
		b.Clicks = append(b.Clicks, encoded)
	}
	return shortener.AppendBatch(nil, b)
}

var enricher = ingest.Enricher{
	Agent: func(ua string) ingest.Agent {
		return ingest.Agent{Browser: "browser of " + ua, OS: "os", Device: "device", Bot: map[string]string{"spider": "search"}[ua]}
	},
	Referrer: func(page, _, medium string) (string, string) { return "host of " + page, "channel " + medium },
	OwnHost:  func(page string) bool { return page == "own.example/x" },
}

// world is a worker between fakes, and what it was given.
type world struct {
	queue   *queue
	store   *store
	applied applied
	poison  []string
	worker  *ingest.Worker
}

func newWorld(fault func(call string) error, messages ...[]byte) *world {
	w := &world{
		queue: &queue{fault: fault, idle: func() {}}, applied: applied{},
		store: &store{clicks: map[string]shortener.StoredClick{}, marks: map[string]bool{}, fault: fault},
	}
	for i, raw := range messages {
		w.queue.messages = append(w.queue.messages, ingest.Message{ID: fmt.Sprint(i), Raw: raw})
	}
	w.worker = ingest.New(ingest.Config{
		Source: w.queue, Store: w.store, Acker: w.applied, Enricher: enricher, Logger: slog.New(slog.DiscardHandler),
		Poison: func(_ context.Context, m ingest.Message, cause error) {
			w.poison = append(w.poison, m.ID)
			_ = w.queue.Ack(context.Background(), m.ID)
		},
	})
	return w
}

// run runs the worker until the queue is empty.
func (w *world) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w.queue.idle = cancel
	if err := w.worker.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run() = %v, want context.Canceled", err)
	}
}

func noFault(string) error { return nil }

func click(agent string) *shortener.Click {
	return &shortener.Click{At: time.UnixMilli(1_700_000_000_000).UTC(), Ref: shortener.Ref{Code: "c"}, UserAgent: agent}
}

func TestEveryBatchIsCountedOnceAndAcknowledgedAfterItsCommit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "batches")
		faults := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "receive", "ingest", "commit", "ack"}), 40, 40).Draw(rt, "faults")
		var problem string
		synctest.Test(t, func(t *testing.T) {
			fault := func(call string) error {
				if len(faults) == 0 || faults[0] != call {
					return nil
				}
				faults = faults[1:]
				return errors.New("fault: " + call)
			}
			var messages [][]byte
			want := map[string]int{}
			for i := range n {
				number := uint64(i/2 + 1) // each batch is on the queue twice
				messages = append(messages, encode("edge", number, number*10, click("a"), click("b")))
				want[fmt.Sprint("edge", number)] = 1
			}
			w := newWorld(fault, messages...)
			skip := func() { // a fault that nothing triggers any more gives way to the next
				for len(faults) > 0 && faults[0] == "" {
					faults = faults[1:]
				}
			}
			w.queue.fault = func(call string) error { skip(); return fault(call) }
			w.store.fault = w.queue.fault
			w.run(t)
			if len(w.store.clicks) != 2*len(want) {
				problem = fmt.Sprintf("%d clicks are stored, want %d", len(w.store.clicks), 2*len(want))
			}
			for batch := range want {
				if w.applied[batch] == 0 || !w.store.marks[batch] {
					problem = fmt.Sprintf("batch %s: told the edge %d times, stored %t; want at least once, true", batch, w.applied[batch], w.store.marks[batch])
				}
			}
			if len(w.queue.messages) != 0 {
				problem = fmt.Sprintf("%d messages are left on the queue, want none", len(w.queue.messages))
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func TestCrashBetweenCommitAndAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := false
		w := newWorld(func(call string) error {
			if call == "ack" && !dead {
				dead = true
				return errors.New("the process is gone")
			}
			return nil
		}, encode("edge", 1, 1, click("a"), click("b")))
		w.run(t)
		if got := w.worker.Stats(); got.Batches != 1 || got.Duplicates != 1 {
			t.Errorf("Stats() = %+v, want one batch and one duplicate", got)
		}
		if len(w.store.clicks) != 2 || w.applied["edge1"] != 2 {
			t.Errorf("%d clicks stored, edge told %v; want 2 and twice", len(w.store.clicks), w.applied)
		}
	})
}

func TestNothingIsAcknowledgedWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		attempts := 0
		w := newWorld(func(call string) error {
			if call == "ingest" {
				attempts++
				return errors.New("store is down")
			}
			return nil
		}, encode("edge", 1, 1, click("a")))
		if err := w.worker.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run() = %v, want the deadline", err)
		}
		if len(w.queue.messages) != 1 || len(w.applied) != 0 {
			t.Errorf("%d messages left, edge told %v; want 1 and nothing", len(w.queue.messages), w.applied)
		}
		if attempts < 10 || attempts > 40 {
			t.Errorf("%d attempts in a minute, want 10 to 40", attempts)
		}
	})
}

func TestPoisonDoesNotBlockTheRest(t *testing.T) {
	newer := shortener.AppendBatch(nil, shortener.Batch{Producer: "edge", Number: 7, FirstSeq: 1, Clicks: [][]byte{{99}}})
	w := newWorld(noFault, []byte("nonsense"), encode("edge", 1, 1, click("a")), nil, newer, encode("edge", 2, 2, click("a")))
	w.run(t)
	if want := []string{"0", "2", "3"}; !slices.Equal(w.poison, want) {
		t.Errorf("poison = %v, want %v", w.poison, want)
	}
	if got := slices.Sorted(maps.Keys(w.store.clicks)); !slices.Equal(got, []string{"edge-1", "edge-2"}) {
		t.Errorf("stored %v, want the clicks of both batches", got)
	}
	if got := w.worker.Stats().Poison; got != 3 {
		t.Errorf("Stats().Poison = %d, want 3", got)
	}
}

func TestLostClicksLeaveTheirSequenceNumbers(t *testing.T) {
	w := newWorld(noFault, encode("edge", 1, 10, nil, click("a"), nil, click("b")), encode("edge", 2, 14, nil))
	w.run(t)
	if got := slices.Sorted(maps.Keys(w.store.clicks)); !slices.Equal(got, []string{"edge-11", "edge-13"}) {
		t.Errorf("stored %v, want edge-11 and edge-13", got)
	}
	if len(w.applied) != 2 {
		t.Errorf("edge was told of %v, want both batches: nothing more is to come of the second", w.applied)
	}
}

func TestEnrich(t *testing.T) {
	for _, test := range []struct {
		name              string
		click             shortener.Click
		bot, host, channl string
	}{
		{"a person", shortener.Click{UserAgent: "x", Referrer: "a.example/b"}, "", "host of a.example/b", "channel "},
		{"a bot by its agent", shortener.Click{UserAgent: "spider"}, "search", "host of ", "channel "},
		{"HEAD wins over the agent", shortener.Click{UserAgent: "spider", Head: true}, "head", "host of ", "channel "},
		{"prefetch wins over the agent", shortener.Click{UserAgent: "spider", Prefetch: true}, "prefetch", "host of ", "channel "},
		{"HEAD wins over prefetch", shortener.Click{Head: true, Prefetch: true}, "head", "host of ", "channel "},
		{"own pages", shortener.Click{Referrer: "own.example/x"}, "", "host of own.example/x", "internal"},
		{"a campaign", shortener.Click{UTM: shortener.UTM{Medium: "cpc"}}, "", "host of ", "channel cpc"},
	} {
		got := enricher.Enrich(test.click)
		if got.Bot != test.bot || got.ReferrerHost != test.host || got.Channel != test.channl {
			t.Errorf("%s: got bot %q, host %q, channel %q; want %q, %q, %q", test.name, got.Bot, got.ReferrerHost, got.Channel, test.bot, test.host, test.channl)
		}
		if got.Click != test.click || got.Browser != "browser of "+test.click.UserAgent {
			t.Errorf("%s: got %+v, want the click itself and its browser", test.name, got)
		}
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(encode("edge", 1, 1, click("a"), nil))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := enricher.Batch(raw)
		if err == nil && (b.Producer == "" || b.Number == 0) {
			t.Errorf("Batch(%x) = %+v, want an identity or an error", raw, b)
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	clicks := make([]*shortener.Click, 512)
	for i := range clicks {
		clicks[i] = click("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	}
	raw := encode("edge", 1, 1, clicks...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := enricher.Batch(raw); err != nil {
			b.Fatal(err)
		}
	}
}
