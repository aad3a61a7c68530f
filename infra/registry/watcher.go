package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Watcher follows the list of one service. Make one with Watch.
type Watcher struct {
	registry *Registry
	service  string
	list     atomic.Pointer[[]Instance]
	living   []Instance          // as Redis said last
	silent   map[string]departed // by id: those that fell silent not long ago, and have not taken leave
	seen     string              // what living was made of
}

// departed is an instance that is no longer among the living.
type departed struct {
	Instance
	since time.Time
}

// Watch returns a watcher whose list is empty until Run or Look.
func (r *Registry) Watch(service string) *Watcher {
	w := &Watcher{registry: r, service: service, silent: map[string]departed{}}
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
	reply, err := listScript.Run(ctx, w.registry.client, w.registry.keys(w.service)).Slice()
	var entries, left []string
	if err == nil {
		entries, left, err = lists(reply)
	}
	if err != nil {
		return fmt.Errorf("list instances of %q: %w", w.service, err)
	}
	before := w.living
	if seen := fmt.Sprintf("%q", entries); seen != w.seen {
		w.living, w.seen = w.read(entries), seen
	}
	w.miss(before, left, time.Now())
	w.publish()
	return nil
}

// lists are the two of list.lua.
func lists(reply []any) (entries, left []string, err error) {
	if len(reply) != 2 {
		return nil, nil, fmt.Errorf("reply of %d parts, want 2", len(reply))
	}
	for i, to := range []*[]string{&entries, &left} {
		values, _ := reply[i].([]any)
		for _, v := range values {
			s, ok := v.(string)
			if !ok {
				return nil, nil, fmt.Errorf("%T in the reply, want strings", v)
			}
			*to = append(*to, s)
		}
	}
	if len(entries)%3 != 0 {
		return nil, nil, fmt.Errorf("%d strings in the reply, want triples", len(entries))
	}
	return entries, left, nil
}

// read makes a list of triples of id, generation and value. What makes no sense is left out.
func (w *Watcher) read(entries []string) []Instance {
	list := make([]Instance, 0, len(entries)/3)
	for ; len(entries) >= 3; entries = entries[3:] {
		i, err := decode(w.service, entries[0], entries[1], entries[2])
		if err != nil {
			w.registry.config.Logger.Warn("an entry of the registry makes no sense", "service", w.service, "id", entries[0], "error", err)
			continue
		}
		list = append(list, i)
	}
	return list
}

// miss notes who of those before is not among the living now, and forgets who is back, who has taken
// leave and who has been silent for long.
func (w *Watcher) miss(before []Instance, left []string, now time.Time) {
	for _, i := range before {
		w.silent[i.ID] = departed{i, now}
	}
	for _, i := range w.living {
		delete(w.silent, i.ID)
	}
	for _, id := range left {
		delete(w.silent, id)
	}
	for id, d := range w.silent {
		if now.Sub(d.since) >= w.registry.config.Keep {
			delete(w.silent, id)
		}
	}
}

// doubtful reports whether so many are silent that it is likelier their heartbeats that are lost: all, or
// two and more that are over 15 % of those known.
func (w *Watcher) doubtful() bool {
	const percent = 15
	silent, known := len(w.silent), len(w.living)+len(w.silent)
	return silent == known || silent > 1 && silent*100 > known*percent
}

// publish replaces the list, if there is another one.
func (w *Watcher) publish() {
	list := slices.Clone(w.living)
	if w.doubtful() {
		for _, d := range w.silent {
			list = append(list, d.Instance)
		}
		slices.SortFunc(list, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	}
	if !slices.EqualFunc(list, w.Instances(), same) {
		w.list.Store(&list)
	}
}

// same reports whether two are one registration: what an instance says of itself is the same for all of it.
func same(a, b Instance) bool { return a.ID == b.ID && a.Generation == b.Generation }

// Static is a list that does not change: of one process, or of a test.
type Static []Instance

// Instances returns the list.
func (s Static) Instances() []Instance { return s }
