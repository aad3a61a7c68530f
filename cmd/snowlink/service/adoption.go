package service

import (
	"context"
	"strconv"
	"time"

	"snowlink/infra/registry"
)

// adoption tells the processes of an installation of each other which membership of the link shards they
// have gone over to: each is an instance of one service, whose epoch stands beside it.
type adoption struct {
	registry *registry.Registry
	identity string
	epoch    func() uint64
}

const (
	processService = "process"
	epochMeta      = "epoch"
)

// run keeps this process's epoch known until ctx ends, and takes it off the list then.
func (a adoption) run(ctx context.Context) error {
	for ctx.Err() == nil {
		epoch := a.epoch()
		told, err := a.registry.Register(ctx, registry.Instance{
			Service: processService, ID: a.identity, Addr: "none", Meta: map[string]string{epochMeta: strconv.FormatUint(epoch, 10)},
		})
		if err != nil {
			pause(ctx, time.Second)
			continue
		}
		a.keep(ctx, told, epoch)
		if ctx.Err() != nil {
			return told.Deregister(context.WithoutCancel(ctx))
		}
	}
	return ctx.Err()
}

// keep sends heartbeats until the epoch is another one.
func (a adoption) keep(ctx context.Context, told *registry.Registration, epoch uint64) {
	const look, beat = 50 * time.Millisecond, 3 * time.Second
	for last := time.Now(); ctx.Err() == nil && a.epoch() == epoch; pause(ctx, look) {
		if time.Since(last) < beat {
			continue
		}
		if last = time.Now(); told.Beat(ctx) != nil {
			return // to register again
		}
	}
}

// waiting returns the processes that have not gone over to the epoch yet.
func (a adoption) waiting(ctx context.Context, epoch uint64) (late []string, err error) {
	list := a.registry.Watch(processService)
	if err := list.Look(ctx); err != nil {
		return nil, err
	}
	for _, p := range list.Instances() {
		if at, err := strconv.ParseUint(p.Meta[epochMeta], 10, 64); err != nil || at < epoch {
			late = append(late, p.ID)
		}
	}
	return late, nil
}
