package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// loops are the background work of one stage of the service. Each has a name, is started by start,
// and is waited for by stop. A loop that ends by itself with an error is reported on failed.
type loops struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed chan<- error
	log    *slog.Logger
}

func newLoops(failed chan<- error, log *slog.Logger) *loops {
	ctx, cancel := context.WithCancel(context.Background())
	return &loops{ctx: ctx, cancel: cancel, failed: failed, log: log}
}

// start runs run until stop.
func (l *loops) start(name string, run func(ctx context.Context) error) {
	l.wg.Go(func() {
		err := run(l.ctx)
		if err == nil || errors.Is(err, context.Canceled) && l.ctx.Err() != nil {
			return
		}
		select {
		case l.failed <- fmt.Errorf("%s: %w", name, err):
		default:
			l.log.Error("stopped", "part", name, "error", err)
		}
	})
}

// stop ends the loops and waits for them.
func (l *loops) stop() {
	l.cancel()
	l.wg.Wait()
}
