// Package service composes the roles: it opens the stores, joins every part to those it needs, runs
// them, and takes them down in the order in which the data flows.
//
// A part that ends by itself takes the service down with an error; one that meets a dependency that
// is away waits for it, and the service goes on as far as it can.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"snowlink/cmd/snowlink/config"
)

// Host is what the service is given by the program around it.
type Host struct {
	Stdout  io.Writer // for people: what is served, and the key of a first start
	Logger  *slog.Logger
	Version string

	Stopping <-chan struct{} // closed when the process is told to stop; Run sets it
}

// Run serves until ctx ends or the process is told to stop (SIGTERM, SIGINT), and then drains. A
// second signal ends the process at once. The error is nil after an orderly stop.
func Run(ctx context.Context, cfg config.Config, host Host) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	host.Stopping = ctx.Done()
	s, err := start(context.WithoutCancel(ctx), cfg, host) // a stop that comes early finds everything in place
	if errors.Is(err, errStopped) {
		fmt.Fprintln(host.Stdout, "snowlink stopped before it had come to serve")
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-s.failed:
		host.Logger.Error("a part has failed; the service stops", "error", err)
	}
	stop() // from here on a second signal has its default effect: it ends the process
	return errors.Join(err, s.stop(cfg.ShutdownTimeout))
}

// redirects is the step of a stop that begins by waiting for the balancers.
const redirects = "finish redirects"

// stop takes the service down along the path of the data: no new requests, the ones under way are
// answered, clicks go on to the store, the stores close. Each step says what it did.
func (s *service) stop(limit time.Duration) error {
	started := time.Now()
	s.health.draining.Store(true)
	if s.endStreams != nil {
		s.endStreams() // who follows clicks would hold every step up, and comes back to who is there
	}
	fmt.Fprintln(s.host.Stdout, "snowlink stops: a second signal ends it at once")
	step := func(name string, share time.Duration, do func(ctx context.Context) error) {
		limit := limit * share / 10
		if name == redirects {
			limit += s.cfg.DrainDelay // in which nobody is to finish yet
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := do(ctx); err != nil {
			s.host.Logger.Warn("stop", "step", name, "error", err)
		}
	}
	if s.cfg.Split() { // else this process's own edge needs the api to the last request
		step("leave the registry", 2, s.deregister)
	}
	if s.edge != nil {
		step(redirects, 3, s.edge.Shutdown)
		_ = s.public.Close() // the edge has closed it, unless it had not come to serve yet
	}
	if !s.cfg.Split() {
		step("leave the registry", 2, s.deregister)
	}
	if s.api != nil {
		step("finish calls of the api", 1, s.api.Shutdown)
		s.links.Close()
	}
	if s.edge != nil {
		s.gateway.gateway.Close()
		s.sending.stop()
		step("send clicks on", 4, func(ctx context.Context) error {
			left := s.dispatcher.Drain(ctx)
			fmt.Fprintf(s.host.Stdout, "snowlink stops: %d click batches wait in the spool for the next start\n", left)
			return nil
		})
	}
	step("close the admin listener", 1, s.admin.Shutdown)
	s.background.stop()
	err := errors.Join(s.shards.Close(), s.limits.store.Close(), s.coordination.Close(), s.private.Close(), s.stores.Close())
	fmt.Fprintf(s.host.Stdout, "snowlink stopped after %v\n", time.Since(started).Round(time.Millisecond))
	return err
}
