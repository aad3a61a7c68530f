package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// Watcher follows the list of one service. Make one with Watch.
type Watcher struct {
	registry *Registry
	service  string
	list     atomic.Pointer[[]Instance]
	emptied  time.Time // since when Redis has said that there are none
	seen     string    // what the list was made of
}

// Watch returns a watcher whose list is empty until Run or Look.
func (r *Registry) Watch(service string) *Watcher {
	w := &Watcher{registry: r, service: service}
	w.list.Store(&[]Instance{})
	return w
}

// Instances returns the last known list, sorted by ID. It is never changed: a new list is another
// slice.
func (w *Watcher) Instances() []Instance { return *w.list.Load() }

// Run looks at the list until ctx ends, and then returns nil. While Redis does not answer, the last
// known list stands.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.registry.config.Every)
	defer ticker.Stop()
	for {
		_ = w.Look(ctx) // the list stands, and there will be another look
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Look reads the list once. After an error the list is the one before. It must not run beside Run.
func (w *Watcher) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.registry.config.Call)
	defer cancel()
	reply, err := listScript.Run(ctx, w.registry.client, w.registry.keys(w.service)).StringSlice()
	if err != nil {
		return fmt.Errorf("list instances of %q: %w", w.service, err)
	}
	now := time.Now()
	if len(reply) == 0 && len(w.Instances()) > 0 {
		if w.emptied.IsZero() {
			w.emptied = now
		}
		// An emptied Redis looks like a service of which all have died at once, and is likelier.
		if now.Sub(w.emptied) < w.registry.config.Keep {
			return nil
		}
	}
	w.emptied = time.Time{}
	return w.take(reply)
}

// take replaces the list by what the reply says: triples of id, generation and value.
func (w *Watcher) take(reply []string) error {
	seen := fmt.Sprintf("%q", reply)
	if seen == w.seen {
		return nil
	}
	list := make([]Instance, 0, len(reply)/3)
	for ; len(reply) >= 3; reply = reply[3:] {
		var i Instance
		if err := json.Unmarshal([]byte(reply[2]), &i); err != nil {
			return fmt.Errorf("list instances of %q: read %q: %w", w.service, reply[0], err)
		}
		i.Generation, _ = strconv.ParseInt(reply[1], 10, 64)
		list = append(list, i)
	}
	w.seen = seen
	w.list.Store(&list)
	return nil
}

// Static is a list that does not change: of one process, or of a test.
type Static []Instance

// Instances returns the list.
func (s Static) Instances() []Instance { return s }
