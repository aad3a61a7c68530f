package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var errDown = errors.New("connection refused")

// small is a breaker that opens when half of four calls failed.
func small() Config {
	return Config{Window: 10 * time.Second, MinCalls: 4, OpenFor: 5 * time.Second, HalfOpenPermits: 2, PermitDeadline: time.Second}
}

func call(b *Breaker, err error) error {
	return b.Do(context.Background(), func(context.Context) error { return err })
}

func trip(t *testing.T, b *Breaker) {
	t.Helper()
	for range 4 {
		call(b, errDown)
	}
	wantState(t, b, Open)
}

func wantState(t *testing.T, b *Breaker, want State) {
	t.Helper()
	if got := b.State(); got != want {
		t.Fatalf("got a breaker that is %v, want %v", got, want)
	}
}

func TestWhatOpensABreaker(t *testing.T) {
	fail, pass, cancel := errDown, error(nil), fmt.Errorf("get: %w", context.Canceled)
	notFound := errors.New("not found")
	for name, tc := range map[string]struct {
		results []error
		want    State
	}{
		"too few calls to judge":            {[]error{fail, fail, fail}, Closed},
		"all failed":                        {[]error{fail, fail, fail, fail}, Open},
		"the rate is inclusive":             {[]error{fail, pass, fail, pass}, Open},
		"one below the rate":                {[]error{pass, pass, fail, pass}, Closed},
		"a success completes the minimum":   {[]error{fail, fail, fail, pass}, Open},
		"canceled calls do not count":       {[]error{cancel, cancel, cancel, cancel, fail, fail, fail}, Closed},
		"errors that are answers are fine":  {[]error{notFound, notFound, notFound, notFound}, Closed},
		"answers complete the minimum, too": {[]error{notFound, notFound, fail, fail}, Open},
		"a deadline is a failure":           {[]error{pass, pass, context.DeadlineExceeded, context.DeadlineExceeded}, Open},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := small()
			cfg.IsFailure = func(err error) bool { return err != notFound }
			b := New("shard a", cfg)
			for _, err := range tc.results {
				if got := call(b, err); got != err {
					t.Fatalf("Do: got error %v, want %v", got, err)
				}
			}
			wantState(t, b, tc.want)
		})
	}
}

func TestResultsLeaveTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New("shard a", small())
		for range 3 {
			call(b, errDown)
		}
		time.Sleep(10 * time.Second)
		call(b, errDown)
		wantState(t, b, Closed)
	})
}

func TestSlowCallsOpenABreaker(t *testing.T) {
	for name, tc := range map[string]struct {
		took time.Duration
		want State
	}{"one tick before slow": {time.Second - 1, Closed}, "slow": {time.Second, Open}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := small()
				cfg.SlowCall = time.Second
				b := New("shard a", cfg)
				for range 2 {
					call(b, nil)
					b.Do(t.Context(), func(context.Context) error { time.Sleep(tc.took); return nil })
				}
				wantState(t, b, tc.want)
			})
		})
	}
}

func TestOpenBreakerRefusesAndTellsWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New("shard a", small())
		trip(t, b)
		err := b.Do(t.Context(), func(context.Context) error { t.Error("the function was called"); return nil })
		refusal, ok := errors.AsType[*OpenError](err)
		if !errors.Is(err, ErrOpen) || !ok || refusal.Name != "shard a" || refusal.State != Open {
			t.Fatalf("got error %#v, want an OpenError of shard a that is ErrOpen", err)
		}
		after := refusal.RetryAfter()
		if after < 4*time.Second || after > 6*time.Second {
			t.Errorf("RetryAfter: got %v, want 5s give or take a fifth", after)
		}
		time.Sleep(after - 1)
		wantState(t, b, Open)
		time.Sleep(1)
		wantState(t, b, HalfOpen)
		if got := refusal.RetryAfter(); got != 0 {
			t.Errorf("RetryAfter when it is over: got %v, want 0", got)
		}
	})
}

// halfOpen returns a breaker that is ready to be probed.
func halfOpen(t *testing.T, cfg Config) *Breaker {
	t.Helper()
	b := New("shard a", cfg)
	trip(t, b)
	time.Sleep(6 * time.Second)
	wantState(t, b, HalfOpen)
	return b
}

func mustAcquire(t *testing.T, b *Breaker) Permit {
	t.Helper()
	p, err := b.Acquire()
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return p
}

func TestProbes(t *testing.T) {
	for name, probe := range map[string]func(t *testing.T, b *Breaker){
		"as many as permitted may run": func(t *testing.T, b *Breaker) {
			mustAcquire(t, b)
			mustAcquire(t, b)
			_, err := b.Acquire()
			refusal, ok := errors.AsType[*OpenError](err)
			if !ok || refusal.State != HalfOpen || refusal.RetryAfter() <= 0 {
				t.Errorf("got error %#v, want an OpenError that is half-open", err)
			}
		},
		"all succeed": func(t *testing.T, b *Breaker) {
			mustAcquire(t, b).Done(nil)
			wantState(t, b, HalfOpen)
			mustAcquire(t, b).Done(nil)
			wantState(t, b, Closed)
			for range 3 { // the failures from before are forgotten
				call(b, errDown)
			}
			wantState(t, b, Closed)
		},
		"one fails": func(t *testing.T, b *Breaker) {
			mustAcquire(t, b).Done(nil)
			mustAcquire(t, b).Done(errDown)
			wantState(t, b, Open)
		},
		"a canceled one makes room and says nothing": func(t *testing.T, b *Breaker) {
			for range 5 {
				mustAcquire(t, b).Done(context.Canceled)
			}
			wantState(t, b, HalfOpen)
		},
		"one hangs": func(t *testing.T, b *Breaker) {
			hung := mustAcquire(t, b)
			time.Sleep(time.Second - 1)
			wantState(t, b, HalfOpen)
			time.Sleep(1)
			wantState(t, b, Open)
			time.Sleep(6 * time.Second)
			mustAcquire(t, b)
			mustAcquire(t, b)
			hung.Done(nil)
			hung.Done(nil)
			wantState(t, b, HalfOpen)
			if _, err := b.Acquire(); !errors.Is(err, ErrOpen) {
				t.Errorf("a late Done gave a permit back: got error %v, want %v", err, ErrOpen)
			}
		},
		"one is done twice": func(t *testing.T, b *Breaker) {
			p := mustAcquire(t, b)
			p.Done(nil)
			p.Done(nil)
			wantState(t, b, HalfOpen)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { probe(t, halfOpen(t, small())) })
		})
	}
}

func TestSlowProbeOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small()
		cfg.SlowCall = 100 * time.Millisecond
		b := halfOpen(t, cfg)
		b.Do(t.Context(), func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil })
		wantState(t, b, Open)
	})
}

func TestCallsOfAnotherEraDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New("shard a", small())
		early := mustAcquire(t, b)
		trip(t, b)
		time.Sleep(6 * time.Second)
		wantState(t, b, HalfOpen)
		early.Done(errDown)
		wantState(t, b, HalfOpen)
	})
}

func TestCallerWhoCancelsIsNotAFailure(t *testing.T) {
	b := New("shard a", small())
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		b.Do(ctx, func(context.Context) error {
			cancel()
			return errDown // as a client does that reports the broken connection, not the reason
		})
	}
	wantState(t, b, Closed)
}

func TestPanicIsAFailureAndGoesOn(t *testing.T) {
	b := New("shard a", small())
	for range 4 {
		func() {
			defer func() {
				if got := recover(); got != "oh" {
					t.Errorf("recovered %v, want oh", got)
				}
			}()
			b.Do(t.Context(), func(context.Context) error { panic("oh") })
		}()
	}
	wantState(t, b, Open)
}

func TestOnChangeComesInOrderAndMayUseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		var b *Breaker
		cfg := small()
		cfg.OnChange = func(from, to State) {
			got = append(got, fmt.Sprintf("%v to %v", from, to))
			if to == HalfOpen { // changes the state twice more
				mustAcquire(t, b).Done(nil)
				mustAcquire(t, b).Done(nil)
			}
		}
		b = New("shard a", cfg)
		trip(t, b)
		time.Sleep(6 * time.Second)
		wantState(t, b, HalfOpen) // as it was before OnChange was told
		wantState(t, b, Closed)
		want := "[closed to open open to half-open half-open to closed]"
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestOnChangeThatPanicsWedgesNothing(t *testing.T) {
	cfg := small()
	told := 0
	cfg.OnChange = func(State, State) { told++; panic("oh") }
	b := New("shard a", cfg)
	func() {
		defer func() { recover() }()
		for range 4 {
			call(b, errDown)
		}
	}()
	wantState(t, b, Open)
	if told != 1 {
		t.Errorf("OnChange: got %d calls, want 1", told)
	}
}

func TestClosedAndRefusedCallsDoNotAllocate(t *testing.T) {
	b := New("shard a", Config{SlowCall: time.Second})
	pass := func() {
		if p, err := b.Acquire(); err == nil {
			p.Done(nil)
		}
	}
	if got := testing.AllocsPerRun(100, pass); got != 0 {
		t.Errorf("closed: got %v allocations, want 0", got)
	}
	open := New("shard a", small())
	trip(t, open)
	if got := testing.AllocsPerRun(100, func() { open.Acquire() }); got != 0 {
		t.Errorf("open: got %v allocations, want 0", got)
	}
}

func TestConcurrentCalls(t *testing.T) {
	var last State
	cfg := Config{
		MinCalls: 2, OpenFor: time.Microsecond, HalfOpenPermits: 2, PermitDeadline: time.Microsecond,
		SlowCall: time.Second,
	}
	cfg.OnChange = func(from, to State) {
		if from != last {
			t.Errorf("got a change from %v, want from %v", from, last)
		}
		last = to
	}
	b := New("shard a", cfg)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 5000 {
				err := []error{nil, errDown, context.Canceled}[(i+j/7)%3]
				call(b, err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkDo(b *testing.B) {
	br, ctx := New("shard a", Config{SlowCall: time.Second}), b.Context()
	f := func(context.Context) error { return nil }
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			br.Do(ctx, f)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				br.Do(ctx, f)
			}
		})
	})
}

func BenchmarkRefused(b *testing.B) {
	br := New("shard a", Config{MinCalls: 1, OpenFor: time.Hour})
	call(br, errDown)
	b.ReportAllocs()
	for b.Loop() {
		br.Acquire()
	}
}

// The model keeps every result with its time, and judges by counting them all.
type model struct {
	cfg     Config
	now     int64
	breaker *Breaker
	state   State
	era     int
	until   int64
	results []modelResult
	passed  int // probes that succeeded
	out     []modelCall
}

type modelResult struct {
	step         int64
	failed, slow bool
}

type modelCall struct {
	permit   Permit
	era      int
	start    int64
	deadline int64 // of a probe
}

func (m *model) step() int64 { return m.now / (int64(m.cfg.Window) / int64(m.cfg.Buckets)) }

func (m *model) enter(s State) {
	m.state, m.results, m.passed = s, nil, 0
	m.era++
}

// open asks the breaker for the end, which is left to chance.
func (m *model) open(t *rapid.T) {
	m.enter(Open)
	_, err := m.breaker.Acquire()
	refusal, ok := errors.AsType[*OpenError](err)
	if !ok {
		t.Fatalf("Acquire: got error %v, want an OpenError", err)
	}
	after := int64(refusal.RetryAfter())
	if d := int64(m.cfg.OpenFor); after < d*8/10 || after > d*12/10 {
		t.Fatalf("RetryAfter: got %d, want %d give or take a fifth", after, d)
	}
	m.until = m.now + after
}

func (m *model) catchUp(t *rapid.T) {
	if m.state == Open && m.now >= m.until {
		m.enter(HalfOpen)
	}
	for _, c := range m.probesOut() {
		if m.now >= c.deadline {
			m.open(t)
			return
		}
	}
}

func (m *model) probesOut() (out []modelCall) {
	for _, c := range m.out {
		if m.state == HalfOpen && c.era == m.era {
			out = append(out, c)
		}
	}
	return out
}

func (m *model) acquire(t *rapid.T) {
	p, err := m.breaker.Acquire()
	m.catchUp(t)
	ok := m.state == Closed || m.state == HalfOpen && len(m.probesOut()) < m.cfg.HalfOpenPermits
	if (err == nil) != ok {
		t.Fatalf("Acquire while %v: got error %v, want success %t", m.state, err, ok)
	}
	if ok {
		m.out = append(m.out, modelCall{p, m.era, m.now, m.now + int64(m.cfg.PermitDeadline)})
	}
}

func (m *model) done(t *rapid.T) {
	if len(m.out) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.out)-1).Draw(t, "call")
	err := rapid.SampledFrom([]error{nil, nil, errDown, context.Canceled}).Draw(t, "err")
	c := m.out[i]
	c.permit.Done(err)
	m.catchUp(t)
	m.out = append(m.out[:i:i], m.out[i+1:]...)
	if c.era != m.era || err == context.Canceled {
		return
	}
	r := modelResult{m.step(), err != nil, m.now-c.start >= int64(m.cfg.SlowCall)}
	if m.state == Closed {
		m.count(t, r)
		return
	}
	if r.failed || r.slow {
		m.open(t)
	} else if m.passed++; m.passed == m.cfg.HalfOpenPermits {
		m.enter(Closed)
	}
}

func (m *model) count(t *rapid.T, r modelResult) {
	m.results = append(m.results, r)
	var calls, failed, slow int
	for _, r := range m.results {
		if m.step()-r.step < int64(m.cfg.Buckets) {
			calls, failed, slow = calls+1, failed+one(r.failed), slow+one(r.slow)
		}
	}
	if calls >= m.cfg.MinCalls && (2*failed >= calls || 2*slow >= calls) {
		m.open(t)
	}
}

func TestBreakerIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{cfg: Config{
			Window: 40, Buckets: 4, MinCalls: 4, FailureRate: 0.5, SlowCall: 25, SlowRate: 0.5,
			OpenFor: 50, HalfOpenPermits: rapid.IntRange(1, 3).Draw(t, "permits"), PermitDeadline: 60,
		}}
		cfg := m.cfg
		cfg.Now = func() time.Time { return time.Unix(0, m.now) }
		m.breaker = New("shard a", cfg)
		t.Repeat(map[string]func(*rapid.T){
			"acquire": m.acquire,
			"done":    m.done,
			"again":   m.done, // as often as calls begin
			"advance": func(t *rapid.T) { m.now += int64(rapid.IntRange(1, 30).Draw(t, "by")) },
			"": func(t *rapid.T) {
				got := m.breaker.State()
				m.catchUp(t)
				if got != m.state {
					t.Fatalf("State: got %v, want %v", got, m.state)
				}
			},
		})
	})
}
