package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"snowlink/storage/clickstore"
	"snowlink/storage/eventstore/sqlite"
)

// Report is the outcome of a check.
type Report struct {
	OK      bool     `json:"ok"`
	Checked int64    `json:"checked"`
	Faults  []string `json:"faults"`
}

// auditor checks stores that are open.
type auditor struct {
	events eventStore
	clicks clickStore
}

func (a auditor) VerifyEvents(ctx context.Context, progress func(done, total int64)) (Report, error) {
	found, err := a.events.Verify(ctx, progress)
	if err != nil {
		return Report{}, fmt.Errorf("verify the event store: %w", err)
	}
	r := Report{OK: found.OK(), Checked: found.Events, Faults: []string{}}
	for _, f := range found.Faults {
		r.Faults = append(r.Faults, f.String())
	}
	if more := found.Count - int64(len(found.Faults)); more > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("and %d more", more))
	}
	return r, nil
}

func (a auditor) ReplayEvents(ctx context.Context, progress func(done, total int64)) (Report, error) {
	if err := a.events.Replay(ctx, progress); err != nil {
		return Report{}, fmt.Errorf("replay the event store: %w", err)
	}
	return a.VerifyEvents(ctx, func(int64, int64) {})
}

func (a auditor) VerifyClicks(ctx context.Context, _ func(done, total int64)) (Report, error) {
	found, err := a.clicks.Verify(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify the click store: %w", err)
	}
	return Report{OK: found.OK(), Checked: found.Clicks, Faults: append([]string{}, found.Findings...)}, nil
}

// Offline is the data folder of a service that does not run.
type Offline struct {
	auditor
	folder *folder
}

// OpenOffline takes the data folder. The error wraps ErrInUse if a service runs on it.
func OpenOffline(dir string) (o *Offline, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	o = &Offline{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	if o.folder, err = openFolder(dir); err != nil {
		return o, err
	}
	if o.events, err = sqlite.Open(o.folder.join(linksFile), sqlite.Options{Logger: slog.Default()}); err != nil {
		return o, fmt.Errorf("open the event store: %w", err)
	}
	clicks, err := clickstore.Open(o.folder.join(clicksFile), clickstore.Options{})
	if err != nil {
		return o, fmt.Errorf("open the click store: %w", err)
	}
	o.clicks = clicks
	return o, nil
}

// Close gives the folder back.
func (o *Offline) Close() error {
	var faults []error
	if o.clicks != nil {
		faults = append(faults, o.clicks.Close())
	}
	if o.events != nil {
		faults = append(faults, o.events.Close())
	}
	if o.folder != nil {
		faults = append(faults, o.folder.Close())
	}
	return errors.Join(faults...)
}
