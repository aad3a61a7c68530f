package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"snowlink/infra/registry"
)

// The api role as the registry knows it. The address of one in the same process leads into memory.
const (
	apiService    = "api"
	memoryAddress = "memory"
)

// registryOf returns the registry of an installation: processes with another secret do not see each
// other.
func registryOf(c coordination, secret string, log *slog.Logger) *registry.Registry {
	sum := sha256.Sum256([]byte(secret))
	return registry.New(c.client, registry.Config{Prefix: "registry:" + hex.EncodeToString(sum[:6]), Logger: log})
}

// registrar puts one instance on a list and keeps it there.
type registrar struct {
	registry *registry.Registry
	instance registry.Instance
	log      *slog.Logger
	current  atomic.Pointer[registry.Registration]
}

// register puts the instance on the list. That the list cannot be reached is no error: run tries again.
func (r *registrar) register(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if current, err := r.registry.Register(ctx, r.instance); err == nil {
		r.current.Store(current)
	} else {
		r.log.Warn("not registered yet", "service", r.instance.Service, "address", r.instance.Addr, "error", err)
	}
}

// run keeps the instance on the list until ctx ends or another process has taken its place there.
func (r *registrar) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if current := r.current.Load(); current != nil {
			return current.Run(ctx)
		}
		pause(ctx, time.Second)
		r.register(ctx)
	}
	return nil
}

// leave takes the instance off the list.
func (r *registrar) leave(ctx context.Context) error {
	if current := r.current.Load(); current != nil {
		return current.Deregister(ctx)
	}
	return nil
}

// apisFile is where an edge keeps the list of apis, to find them when it starts while the registry is away.
const apisFile = "apis.json"

// apiList is the list of apis, and the last one known for as long as there is none.
type apiList struct {
	*registry.Watcher
	remembered []registry.Instance
}

// Instances returns a list that is never changed.
func (l *apiList) Instances() []registry.Instance {
	if now := l.Watcher.Instances(); len(now) > 0 {
		return now
	}
	return l.remembered
}

// rememberedAPIs returns the list of apis that was kept last. One that cannot be read is none: it is asked
// for again.
func (f *folder) rememberedAPIs() (list []registry.Instance) {
	if raw, err := f.read(apisFile); err == nil {
		_ = json.Unmarshal(raw, &list)
	}
	return list
}

// keepAPIs keeps the list whenever it has changed, until ctx ends.
func (f *folder) keepAPIs(ctx context.Context, watcher *registry.Watcher, log *slog.Logger) error {
	var kept *registry.Instance // the first one of the list: another list is another slice
	for ; ctx.Err() == nil; pause(ctx, time.Second) {
		list := watcher.Instances()
		if len(list) == 0 || &list[0] == kept {
			continue
		}
		raw, err := json.Marshal(list)
		if err == nil {
			err = f.write(apisFile, raw)
		}
		if err != nil {
			log.Warn("the list of apis is not kept for the next start", "error", err)
		}
		kept = &list[0]
	}
	return nil
}
