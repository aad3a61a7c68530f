package shortenertest

import (
	"context"
	"sync"

	"snowlink/shortener"
)

// View is a shortener.View in memory. The zero value is an empty one.
type View struct {
	// Before, if set, is called before each Put. Its error is returned and nothing is put.
	Before func(context.Context, shortener.Record) error

	mu      sync.Mutex
	records map[shortener.Ref]shortener.Record
}

var _ shortener.View = (*View)(nil)

// Repair is that of shortener.View.
func (v *View) Repair(ctx context.Context, r shortener.Record) error { return v.Put(ctx, r) }

// Put is that of shortener.View.
func (v *View) Put(ctx context.Context, r shortener.Record) error {
	if v.Before != nil {
		if err := v.Before(ctx, r); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.records == nil {
		v.records = make(map[shortener.Ref]shortener.Record)
	}
	if r.Version > v.records[r.Ref].Version {
		v.records[r.Ref] = r
	}
	return nil
}

// Get returns the record of ref, and whether there is one.
func (v *View) Get(ref shortener.Ref) (shortener.Record, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.records[ref]
	return r, ok
}

// Clear empties the view.
func (v *View) Clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.records = nil
}
