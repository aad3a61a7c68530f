package linkshards_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// TestNothingOldIsTrusted edits links, reads them and moves them between shards from several processes,
// some of which are behind by any number of epochs, while servers restart from old dumps. Whatever is
// read without ErrUnverified must be at least the newest version that was acknowledged.
func TestNothingOldIsTrusted(t *testing.T) {
	servers := make(map[string]*dumped)
	for _, name := range []string{"a", "b", "c"} {
		servers[name] = startDumped(t)
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt, servers)
		defer w.close()
		actions := map[string]func(){
			"edit": w.edit, "repair": w.repair, "adopt": w.adopt, "advance": w.advance, "dump": w.dump, "restart": w.restart, "verify": w.verify,
		}
		often := []string{"edit", "edit", "edit", "edit", "repair", "repair", "advance", "advance", "adopt", "adopt", "dump", "restart", "verify"}
		for range rapid.IntRange(10, 60).Draw(rt, "steps") {
			actions[rapid.SampledFrom(often).Draw(rt, "action")]()
			w.checkAll()
		}
	})
}

// dumped is a server that restarts from its last dump.
type dumped struct {
	*server
	dir string
}

func startDumped(t testing.TB) *dumped {
	d := &dumped{server: startRedis(t), dir: t.TempDir()}
	d.kill()
	d.start(t)
	return d
}

func (d *dumped) start(t testing.TB) { d.server.start(t, "--dir", d.dir) }

// world is what the test knows to be true.
type world struct {
	rt        *rapid.T
	t         testing.TB
	servers   map[string]*dumped
	now       linkshards.Membership
	mover     *linkshards.Shards // always of the newest epoch
	processes []*linkshards.Shards
	distrusts map[*linkshards.Shards]bool // has been late for so long that it trusts nothing
	truth     map[string]int64            // versions
	acked     map[string]int64
}

var modelCodes = func() (codes []string) {
	for i := range 6 {
		codes = append(codes, "c"+strconv.Itoa(i))
	}
	return codes
}()

func newWorld(t testing.TB, rt *rapid.T, servers map[string]*dumped) *world {
	w := &world{
		rt: rt, t: t, servers: servers, truth: map[string]int64{}, acked: map[string]int64{}, distrusts: map[*linkshards.Shards]bool{},
	}
	for name, server := range servers {
		w.raw(name, "FLUSHALL")
		os.Remove(filepath.Join(server.dir, "dump.rdb"))
	}
	var err error
	if w.now, err = linkshards.First([]linkshards.MemberSpec{servers["a"].spec("a"), servers["b"].spec("b")}); err != nil {
		rt.Fatal(err)
	}
	w.mover = w.open()
	for range 3 {
		w.processes = append(w.processes, w.open())
	}
	w.mark("a")
	w.mark("b")
	w.recheck()
	return w
}

func (w *world) open() *linkshards.Shards {
	s, err := linkshards.Open(w.now, linkshards.Options{
		Logger: quiet, Breaker: patient, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
	})
	if err != nil {
		w.rt.Fatal(err)
	}
	return s
}

func (w *world) close() {
	for _, s := range append(w.processes, w.mover) {
		s.Close()
	}
}

func (w *world) raw(name string, args ...any) {
	member, err := w.servers[name].spec(name).Member()
	if err != nil {
		w.rt.Fatal(err)
	}
	client := member.Dial().Client
	defer client.Close()
	if err := client.Do(context.Background(), args...).Err(); err != nil {
		w.rt.Fatal(err)
	}
}

func (w *world) code() string { return rapid.SampledFrom(modelCodes).Draw(w.rt, "code") }

func (w *world) process() *linkshards.Shards {
	return w.processes[rapid.IntRange(0, len(w.processes)-1).Draw(w.rt, "process")]
}

func (w *world) member() string {
	specs := w.now.Members()
	return specs[rapid.IntRange(0, len(specs)-1).Draw(w.rt, "member")].Name
}

func (w *world) edit() {
	code, s := w.code(), w.process()
	w.truth[code]++
	switch err := s.Put(context.Background(), record(code, w.truth[code])); {
	case err == nil:
		w.acked[code] = w.truth[code]
	case errors.Is(err, linkshards.ErrStaleEpoch) && s.Epoch() == w.now.Epoch():
		w.rt.Fatalf("a process of the newest epoch %d was refused: %v", s.Epoch(), err)
	}
}

// repair puts what a process has read from the truth a while ago.
func (w *world) repair() {
	if code := w.code(); w.truth[code] > 0 {
		version := rapid.Int64Range(1, w.truth[code]).Draw(w.rt, "version")
		_ = w.process().Repair(context.Background(), record(code, version))
	}
}

func (w *world) checkAll() {
	for _, s := range w.processes {
		for _, code := range modelCodes {
			w.check(s, code)
		}
	}
}

func (w *world) check(s *linkshards.Shards, code string) {
	got, err := s.Get(context.Background(), shortener.Ref{Code: code})
	switch {
	case err != nil && !errors.Is(err, linkshards.ErrUnverified):
		return // the truth is asked
	case got != record(code, got.Version) || got.Version > w.truth[code]:
		w.rt.Fatalf("%s is %+v, which it never was", code, got)
	case err == nil && !w.distrusts[s] && got.Version < w.acked[code]:
		w.rt.Fatalf("a process of epoch %d (of %d, %s) trusts version %d of %s; version %d was acknowledged: %+v",
			s.Epoch(), w.now.Epoch(), w.now.Phase(), got.Version, code, w.acked[code], w.mover.Explain(context.Background(), got.Ref))
	}
}

func (w *world) adopt() {
	s := w.process()
	if err := s.Adopt(w.now); err != nil {
		w.rt.Fatal(err)
	}
	delete(w.distrusts, s)
}

// advance is the next step of the mover, or the beginning of a move.
func (w *world) advance() {
	var err error
	next := w.now
	switch w.now.Phase() {
	case linkshards.Settled:
		if name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(w.rt, "joins or leaves"); w.isMember(name) {
			next, err = w.now.Remove(name)
		} else {
			next, err = w.now.Add(w.servers[name].spec(name))
		}
		if err != nil {
			return // the last one stays
		}
	case linkshards.Copying:
		w.each(func(_ shortener.Record, now, before string) string { return cond(before != "", now) }, w.put)
		for _, spec := range w.now.Members() {
			if w.now.Joining(spec.Name) {
				w.mark(spec.Name)
			}
		}
		next, err = w.now.Next()
	case linkshards.Clearing:
		w.each(func(_ shortener.Record, _, before string) string { return before }, w.erase)
		next, err = w.now.Next()
	}
	if err != nil {
		w.rt.Fatal(err)
	}
	w.now = next
	if err := w.mover.Adopt(next); err != nil {
		w.rt.Fatal(err)
	}
	if err := w.mover.Fence(context.Background(), next.Epoch()); err != nil {
		w.rt.Fatal(err)
	}
}

func cond(is bool, s string) string {
	if is {
		return s
	}
	return ""
}

func (w *world) isMember(name string) bool {
	return slices.ContainsFunc(w.now.Members(), func(s linkshards.MemberSpec) bool { return s.Name == name })
}

// each calls f with those links of the truth that on chooses a shard for.
func (w *world) each(on func(r shortener.Record, now, before string) string, f func(name string, r shortener.Record)) {
	for code, version := range w.truth {
		r := record(code, version)
		now, before := w.now.Owner(r.Ref)
		if name := on(r, now, before); name != "" {
			f(name, r)
		}
	}
}

func (w *world) on(name string, f func(context.Context, *linkshards.Instance) error) {
	if err := w.mover.OnInstance(context.Background(), name, f); err != nil {
		w.rt.Fatal(err)
	}
}

func (w *world) put(name string, r shortener.Record) {
	w.on(name, func(ctx context.Context, in *linkshards.Instance) error {
		_, err := in.Put(ctx, w.now.Epoch(), []shortener.Record{r})
		return err
	})
}

func (w *world) erase(name string, r shortener.Record) {
	w.on(name, func(ctx context.Context, in *linkshards.Instance) error {
		_, err := in.Erase(ctx, w.now.Epoch(), []shortener.Ref{r.Ref})
		return err
	})
}

func (w *world) mark(name string) {
	w.on(name, func(ctx context.Context, in *linkshards.Instance) error { return in.MarkVerified(ctx) })
}

// verify compares a shard with the truth, as after a restart. That takes longer than a process may be
// late and still trust what it reads.
func (w *world) verify() {
	name := w.member()
	w.each(func(_ shortener.Record, now, before string) string {
		return cond(now == name || before == name && w.now.Phase() == linkshards.Copying, name)
	}, w.put)
	w.mark(name)
	for _, s := range w.processes {
		w.distrusts[s] = w.distrusts[s] || s.Epoch() < w.now.Epoch()
	}
	w.recheck()
}

// dump keeps what a server has now for its next restart.
func (w *world) dump() { w.raw(w.member(), "SAVE") }

// restart brings a server back with its last dump, of which all take notice.
func (w *world) restart() {
	name := w.member()
	w.servers[name].kill()
	w.servers[name].start(w.t)
	w.mover.Recheck(context.Background()) // it knows the epoch again
	w.mover.Recheck(context.Background()) // after the connections that were cut
}

func (w *world) recheck() {
	for _, s := range w.processes {
		s.Recheck(context.Background())
	}
}
