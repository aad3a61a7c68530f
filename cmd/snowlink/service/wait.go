package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"snowlink/shortener"
)

// errStopped ends a start that was waiting for something when the process was told to stop.
var errStopped = errors.New("stopped while starting")

// patience is what a start waits with.
type patience struct {
	what    string                    // that is waited for
	passes  func(error) bool          // whether waiting helps
	between time.Duration             // two attempts
	nudge   func(ctx context.Context) // before each further attempt; nil: nothing
}

// theTruth waits for an event store that other processes use too. One that is this process's own is there
// or broken.
func (s *service) theTruth() patience {
	return patience{what: "the event store", between: time.Second, passes: func(err error) bool {
		return s.cfg.Postgres() && shortener.KindOf(err) == shortener.Unavailable
	}}
}

// await does something that a start cannot do without, and does it again for as long as waiting helps.
// Meanwhile /readyz says what is waited for.
func (s *service) await(ctx context.Context, p patience, do func(ctx context.Context) error) error {
	const saidAgain = 20 * time.Second
	var said time.Time
	for {
		err := do(ctx)
		if err == nil || !p.passes(err) {
			return err
		}
		s.health.waitFor(p.what + ": " + err.Error())
		if time.Since(said) > saidAgain {
			s.host.Logger.Warn("the start waits", "for", p.what, "error", err)
			said = time.Now()
		}
		select {
		case <-s.host.Stopping:
			return errStopped
		case <-time.After(p.between):
		}
		if p.nudge != nil {
			p.nudge(ctx)
		}
	}
}

// waitingRoom answers on listeners for as long as what they are for is not there: with 503, rather than
// with silence.
type waitingRoom struct {
	server *http.Server
	closed chan struct{}
	lent   []lent
	wg     sync.WaitGroup
}

// lent is a listener whose Close only ends Accept, until giveBack.
type lent struct{ *net.TCPListener }

func (l lent) Close() error    { return l.SetDeadline(time.Unix(1, 0)) }
func (l lent) giveBack() error { return l.SetDeadline(time.Time{}) }

// queueFor is how long who connects to a listener that outlives processes is kept waiting, before the answer is
// that the service is not there: a start is quicker as a rule.
const queueFor = 5 * time.Second

// openWaitingRoom answers on those of the listeners that are there.
func openWaitingRoom(ln listeners) *waitingRoom {
	w := &waitingRoom{
		server: &http.Server{Handler: http.HandlerFunc(askToWait), ReadHeaderTimeout: 5 * time.Second},
		closed: make(chan struct{}),
	}
	w.server.SetKeepAlivesEnabled(false) // the next request is for who comes then
	after := time.Duration(0)
	if ln.handed {
		after = queueFor
	}
	w.answer(ln.public, after)
	w.answer(ln.api, 0)
	return w
}

// answer begins after some time, unless the room is closed by then.
func (w *waitingRoom) answer(ln net.Listener, after time.Duration) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return
	}
	w.lent = append(w.lent, lent{tcp})
	w.wg.Go(func() {
		select {
		case <-time.After(after):
			_ = w.server.Serve(lent{tcp}) // until close
		case <-w.closed:
		}
	})
}

// close gives the listeners back, when who is in the room has been answered.
func (w *waitingRoom) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	close(w.closed)
	if err := w.server.Shutdown(ctx); err != nil {
		_ = w.server.Close() // who has not even asked within a second
	}
	w.wg.Wait()
	var faults []error
	for _, l := range w.lent {
		faults = append(faults, l.giveBack())
	}
	return errors.Join(faults...)
}

func askToWait(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/livez" {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"type":"/api/problems/unavailable","title":"Service Unavailable","status":503,` +
			`"detail":"The service is starting. Nothing was done."}` + "\n"))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte("The service is starting. Try again in a moment.\n"))
}
