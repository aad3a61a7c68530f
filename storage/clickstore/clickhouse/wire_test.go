package clickhouse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clickhouse"
)

// Several processes store the same batches and ask about them. Of each request it is drawn when it
// goes, and whether it is lost, or its answer, or it arrives long after its sender has given up: what
// is seen of a process that is killed, of a server that is, and of a network that is cut. One request
// goes at a time, so that a failing case replays.
func TestEveryBatchCountsOnceWhateverTheNetworkDoes(t *testing.T) {
	cast := newCast(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := cast.newWorld(rt)
		defer w.end()
		for i := range rapid.IntRange(1, len(cast.writers)).Draw(rt, "writers") {
			calls := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, worldBatches-1), 1, 4), 1, 3).Draw(rt, "calls")
			w.process(cast.writers[i], fmt.Sprintf("writer %d", i), func(s *clickhouse.Store) { w.write(s, calls) })
		}
		w.process(cast.reader, "reader", func(s *clickhouse.Store) {
			for range 5 {
				w.look(s)
			}
		})
		w.run()
		for len(w.late) > 0 {
			w.deliverLate()
			w.look(w.observer)
			w.mustBeRight()
		}
		w.settle()
	})
	if report, err := cast.observer.Verify(t.Context()); err != nil || !report.OK() {
		t.Errorf("Verify() = %+v, %v; want no findings", report, err)
	}
}

const (
	worldBatches = 4
	batchClicks  = 3
)

// cast are processes on one database, on which many cases are played.
type cast struct {
	writers  []*clickhouse.Store
	reader   *clickhouse.Store
	observer *clickhouse.Store // whose requests are not disturbed
	cases    int
}

func newCast(t *testing.T) *cast {
	address := shared(t).NewDatabase(t)
	return &cast{
		writers: []*clickhouse.Store{open(t, address), open(t, address), open(t, address)},
		reader:  open(t, address), observer: open(t, address),
	}
}

// world is what happens in one case.
type world struct {
	rt       *rapid.T
	observer *clickhouse.Store
	domain   string // of the links of this case
	batches  []shortener.IngestBatch

	events  chan event
	running int     // processes that have not ended
	sent    []event // requests that wait for their fate, one a process
	late    []event // requests whose senders have given up
	counted map[string]bool
	fault   string // what somebody saw that cannot be
}

// event is a request of a process, or the end of one.
type event struct {
	name   string
	req    *http.Request
	answer chan reply
}

type reply struct {
	resp *http.Response
	err  error
}

func (c *cast) newWorld(rt *rapid.T) *world {
	c.cases++
	w := &world{rt: rt, observer: c.observer, events: make(chan event), counted: map[string]bool{}, domain: fmt.Sprintf("case%d.example", c.cases)}
	for i := range worldBatches {
		b := batch(w.domain, uint64(i+1), batchClicks)
		for j := range b.Clicks {
			b.Clicks[j].Ref = shortener.Ref{Domain: w.domain, Code: strconv.Itoa(i)}
		}
		w.batches = append(w.batches, b)
	}
	return w
}

// link names the clicks of a batch in a breakdown by link.
func (w *world) link(batch int) string { return w.domain + "/" + strconv.Itoa(batch) }

// process starts one, whose requests wait for run.
func (w *world) process(s *clickhouse.Store, name string, run func(s *clickhouse.Store)) {
	s.Through(wire{w, name})
	w.running++
	go func() {
		run(s)
		w.events <- event{name: name}
	}()
}

// wire is the network of a process.
type wire struct {
	w    *world
	name string
}

func (l wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	// The request has to outlive its sender.
	detached := req.Clone(context.WithoutCancel(req.Context()))
	detached.Body = io.NopCloser(bytes.NewReader(body))
	e := event{l.name, detached, make(chan reply)}
	l.w.events <- e
	r := <-e.answer
	return r.resp, r.err
}

// write makes calls of Ingest, each with some of the batches, and notes what is acknowledged.
func (w *world) write(s *clickhouse.Store, calls [][]int) {
	for _, call := range calls {
		var batches []shortener.IngestBatch
		for _, i := range call {
			batches = append(batches, w.batches[i])
		}
		if _, err := s.Ingest(w.rt.Context(), batches); err == nil {
			for _, i := range call {
				w.counted[w.link(i)] = true
			}
		}
	}
}

// look asks how often each batch counts: never or once, and once if somebody has been told so.
func (w *world) look(s *clickhouse.Store) {
	known := maps.Clone(w.counted)
	shares, _, err := s.Breakdown(w.rt.Context(), shortener.ClickQuery{Domain: &w.domain}, "code", 0, 0)
	if err != nil {
		w.fault = fmt.Sprintf("Breakdown() = %v", err)
		return
	}
	for _, share := range shares {
		if share.Clicks != batchClicks {
			w.fault = fmt.Sprintf("%d clicks of %s, want %d", share.Clicks, share.Value, batchClicks)
		}
		delete(known, share.Value)
		w.counted[share.Value] = true
	}
	if len(known) > 0 {
		w.fault = fmt.Sprintf("no clicks of %s, which did count before", slices.Sorted(maps.Keys(known)))
	}
}

// run decides about requests until all processes have ended, or somebody saw what cannot be.
func (w *world) run() {
	for w.wait(); w.running > 0 && w.fault == ""; w.wait() {
		slices.SortFunc(w.sent, func(a, b event) int { return strings.Compare(a.name, b.name) })
		i := rapid.IntRange(0, len(w.sent)-1).Draw(w.rt, "who")
		e, fate := w.sent[i], "arrives"
		if e.name != "reader" {
			fate = rapid.SampledFrom(fates).Draw(w.rt, e.name)
		}
		if fate == "finds a late one" && len(w.late) > 0 {
			w.deliverLate()
		}
		w.sent = slices.Delete(w.sent, i, i+1)
		e.answer <- w.meet(e, fate)
	}
	w.mustBeRight()
}

// wait waits until each process has sent a request or ended.
func (w *world) wait() {
	for len(w.sent) < w.running {
		if e := <-w.events; e.req == nil {
			w.running--
		} else {
			w.sent = append(w.sent, e)
		}
	}
}

var fates = []string{"arrives", "arrives", "arrives", "arrives", "is lost", "is not answered", "is late", "finds a late one"}

// meet lets a request meet its fate and returns what its sender sees.
func (w *world) meet(e event, fate string) reply {
	switch fate {
	case "is lost":
	case "is late":
		w.late = append(w.late, e)
	case "is not answered":
		w.deliver(e)
	default:
		return w.deliver(e)
	}
	return reply{err: errors.New("cut")}
}

func (w *world) deliverLate() {
	i := rapid.IntRange(0, len(w.late)-1).Draw(w.rt, "late")
	w.deliver(w.late[i])
	w.late = slices.Delete(w.late, i, i+1)
}

// deliver has a request answered.
func (w *world) deliver(e event) reply {
	resp, err := http.DefaultTransport.RoundTrip(e.req)
	if err != nil {
		w.fault = fmt.Sprintf("deliver a request: %v", err)
		return reply{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return reply{resp, err}
}

// end sends the processes away that wait for answers: in a case that failed, or was given up.
func (w *world) end() {
	for w.wait(); w.running > 0; w.wait() {
		for _, e := range w.sent {
			e.answer <- reply{err: errors.New("over")}
		}
		w.sent = nil
	}
}

func (w *world) mustBeRight() {
	if w.fault != "" {
		w.rt.Fatal(w.fault)
	}
}

// settle has the batches delivered once more, as they are until they are acknowledged: then all of
// them count.
func (w *world) settle() {
	w.mustBeRight()
	if _, err := w.observer.Ingest(w.rt.Context(), w.batches); err != nil {
		w.rt.Fatal(err)
	}
	for i := range w.batches {
		w.counted[w.link(i)] = true
	}
	w.look(w.observer)
	w.mustBeRight()
}
