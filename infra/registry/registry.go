// Package registry knows who serves what: instances say in Redis that they live, and others watch.
//
// It promises:
//
//   - an instance that dies is off the list one TTL after its last heartbeat, by the clock of Redis:
//     clocks of the machines may differ as they like;
//   - of two processes that register under one ID the later one stays, and the earlier one's Run ends
//     with ErrSuperseded: generations decide, not the order in which heartbeats happen to arrive;
//   - when Redis is gone, or has lost all it knew, watchers keep the last list they had; heartbeats go on
//     being tried, and bring the instances back by themselves;
//   - when many fall silent together it is likelier that the way to Redis is broken than that they all
//     died: watchers keep them for a while (self-preservation, as in Eureka), unless they took leave;
//   - an entry that makes no sense is passed over, and does not keep the others from being seen.
//
// A list is therefore a good guess and no proof: callers must expect an instance on it to be dead, and
// are to put a breaker before each.
package registry

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrSuperseded ends a registration whose ID another process has taken.
var ErrSuperseded = errors.New("another process has registered under this id")

// Config says where and how. The zero value of each field selects its default.
type Config struct {
	Prefix string        // of keys; "registry"
	TTL    time.Duration // 10 s: a silent instance is taken for dead after it. Heartbeats come three times as often
	Every  time.Duration // 1 s: between looks of a watcher
	Keep   time.Duration // 30 s: for which many that have fallen silent together are not taken for dead
	Call   time.Duration // 2 s: for one call of Redis
	Logger *slog.Logger  // none: entries that make no sense are passed over in silence
}

// Registry keeps instances in one Redis. It is safe for concurrent use.
type Registry struct {
	client redis.Scripter
	config Config
}

// New returns a registry on client. It calls nothing yet.
func New(client redis.Scripter, config Config) *Registry {
	if config.Prefix == "" {
		config.Prefix = "registry"
	}
	config.TTL = or(config.TTL, 10*time.Second)
	config.Every = or(config.Every, time.Second)
	config.Keep = or(config.Keep, 30*time.Second)
	config.Call = or(config.Call, 2*time.Second)
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{client: client, config: config}
}

func or(given, otherwise time.Duration) time.Duration {
	if given <= 0 {
		return otherwise
	}
	return given
}

var (
	//go:embed register.lua
	registerSource string
	//go:embed beat.lua
	beatSource string
	//go:embed deregister.lua
	deregisterSource string
	//go:embed list.lua
	listSource string

	registerScript   = redis.NewScript(registerSource)
	beatScript       = redis.NewScript(beatSource)
	deregisterScript = redis.NewScript(deregisterSource)
	listScript       = redis.NewScript(listSource)
)

// keys of a service have a hash tag in common, for they are used together.
func (r *Registry) keys(service string) []string {
	tag := r.config.Prefix + ":{" + service + "}:"
	return []string{tag + "deadlines", tag + "instances", tag + "generations"}
}

// Registration is an instance's place on the list.
type Registration struct {
	registry *Registry
	instance Instance
	value    string
}

// Register puts the instance on the list for one TTL. Run keeps it there.
func (r *Registry) Register(ctx context.Context, i Instance) (*Registration, error) {
	value, err := encode(i)
	if err != nil {
		return nil, fmt.Errorf("register %q of %q: %w", i.ID, i.Service, err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.Call)
	defer cancel()
	generation, err := registerScript.Run(ctx, r.client, r.keys(i.Service), i.ID, r.config.TTL.Milliseconds(), value).Text()
	if err == nil {
		i.Generation, err = strconv.ParseInt(generation, 10, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("register %q of %q: %w", i.ID, i.Service, err)
	}
	return &Registration{registry: r, instance: i, value: value}, nil
}

// Instance returns what was registered, with its generation.
func (r *Registration) Instance() Instance { return r.instance }

// Run sends heartbeats until ctx ends, and then returns nil; or until another process takes the ID, and
// then returns ErrSuperseded. An error of Redis ends nothing: the next heartbeat makes up for it.
func (r *Registration) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.registry.config.TTL / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := r.Beat(ctx); errors.Is(err, ErrSuperseded) {
				return err
			}
		}
	}
}

// Beat sends one heartbeat.
func (r *Registration) Beat(ctx context.Context) error {
	c := r.registry.config
	ctx, cancel := context.WithTimeout(ctx, c.Call)
	defer cancel()
	kept, err := beatScript.Run(ctx, r.registry.client, r.registry.keys(r.instance.Service),
		r.instance.ID, c.TTL.Milliseconds(), r.value, r.instance.Generation).Bool()
	if err != nil {
		return fmt.Errorf("keep %q of %q registered: %w", r.instance.ID, r.instance.Service, err)
	}
	if !kept {
		return fmt.Errorf("keep %q of %q registered: %w", r.instance.ID, r.instance.Service, ErrSuperseded)
	}
	return nil
}

// Deregister takes the instance off the list, unless another process has its ID by now. It is the
// first step of a shutdown: calls go on to arrive until the watchers have looked.
func (r *Registration) Deregister(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.registry.config.Call)
	defer cancel()
	err := deregisterScript.Run(ctx, r.registry.client, r.registry.keys(r.instance.Service),
		r.instance.ID, r.instance.Generation).Err()
	if err != nil {
		return fmt.Errorf("deregister %q of %q: %w", r.instance.ID, r.instance.Service, err)
	}
	return nil
}
