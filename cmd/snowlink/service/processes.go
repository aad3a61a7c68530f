package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/registry"
)

// processes are the processes of an installation as they tell each other of themselves: each is an
// instance of one service, and what it tells stands beside it.
type processes struct {
	registry *registry.Registry
	watcher  *registry.Watcher
	service  string
	identity string
	tell     func() vitals
}

// vitals are what a process tells of itself.
type vitals struct {
	epoch    uint64 // of the link shards' membership that it has gone over to
	pending  int64  // clicks that were answered and are not in the click store yet
	ownStore bool   // it stores clicks where no other process can
	roles    []string
}

const (
	epochMeta    = "epoch"
	pendingMeta  = "pending"
	ownStoreMeta = "own-click-store"
	rolesMeta    = "roles"
)

func (v vitals) meta() map[string]string {
	return map[string]string{
		epochMeta: strconv.FormatUint(v.epoch, 10), pendingMeta: strconv.FormatInt(v.pending, 10), ownStoreMeta: strconv.FormatBool(v.ownStore),
		rolesMeta: strings.Join(v.roles, ","),
	}
}

func newProcesses(r *registry.Registry, installation, identity string, tell func() vitals) *processes {
	service := "process:" + installation
	return &processes{registry: r, watcher: r.Watch(service), service: service, identity: identity, tell: tell}
}

// run tells of this process each second, and at once when its epoch is another one, until ctx ends. Then
// it takes it off the list.
func (p *processes) run(ctx context.Context) error {
	const look, every = 50 * time.Millisecond, time.Second
	var last *registry.Registration
	for ctx.Err() == nil {
		now := p.tell()
		last = p.refresh(ctx, last, now)
		for began := time.Now(); ctx.Err() == nil && time.Since(began) < every && p.tell().epoch == now.epoch; {
			pause(ctx, look)
		}
	}
	if last != nil {
		return last.Deregister(context.WithoutCancel(ctx))
	}
	return ctx.Err()
}

// refresh has this process stay on the list with what it tells now. It returns its place there, nil if that
// is not known.
func (p *processes) refresh(ctx context.Context, last *registry.Registration, now vitals) *registry.Registration {
	meta := now.meta()
	if last != nil && maps.Equal(last.Instance().Meta, meta) {
		if last.Beat(ctx) == nil {
			return last
		}
	}
	fresh, err := p.registry.Register(ctx, registry.Instance{Service: p.service, ID: p.identity, Addr: "none", Meta: meta})
	if err != nil {
		return nil
	}
	return fresh
}

// late returns the processes that have not gone over to the epoch yet.
func (p *processes) late(ctx context.Context, epoch uint64) (late []string, err error) {
	list := p.registry.Watch(p.service)
	if err := list.Look(ctx); err != nil {
		return nil, err
	}
	for _, one := range list.Instances() {
		if at, err := strconv.ParseUint(one.Meta[epochMeta], 10, 64); err != nil || at < epoch {
			late = append(late, one.ID)
		}
	}
	return late, nil
}

// playing returns how many processes play a role, as far as is known.
func (p *processes) playing(role string) (n int) {
	for _, one := range p.watcher.Instances() {
		if slices.Contains(strings.Split(one.Meta[rolesMeta], ","), role) {
			n++
		}
	}
	return n
}

// pendingElsewhere returns the clicks on their way in the other processes, as far as is known.
func (p *processes) pendingElsewhere() (sum int64) {
	for _, one := range p.watcher.Instances() {
		if n, err := strconv.ParseInt(one.Meta[pendingMeta], 10, 64); err == nil && one.ID != p.identity {
			sum += n
		}
	}
	return sum
}

// checkAlone refuses to store clicks in a file while another process of the installation does: each
// would have a part of them, and show it for all. If nobody can be asked nobody is there.
func (p *processes) checkAlone(ctx context.Context) error {
	if err := p.watcher.Look(ctx); err != nil {
		return nil //nolint:nilerr // a start must not wait for the coordination store
	}
	var others []string
	for _, one := range p.watcher.Instances() {
		if one.ID != p.identity && one.Meta[ownStoreMeta] == "true" {
			others = append(others, one.ID)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("--click-store %s belongs to one process, and process %s of this installation has one already:"+
		" stop that first, or play only the role edge here", config.DuckDB, strings.Join(others, ", "))
}
