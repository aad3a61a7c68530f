package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/eventstore/sqlite"
)

// CopyReport is the outcome of a copy of an event store that was proven to be equal.
type CopyReport struct {
	Events   int64  `json:"events"`
	Imported int64  `json:"imported"`
	Links    int64  `json:"links"`
	Log      string `json:"log_sha256"`
	View     string `json:"links_sha256"`
}

// CopyEvents copies the event store at from to the empty one at to: "sqlite:" with a data folder or a file, or
// "postgres://". See eventstore.Copy. The error wraps ErrInUse if a service runs on either folder.
func CopyEvents(ctx context.Context, from, to string, log *slog.Logger, progress func(done, total int64)) (r CopyReport, err error) {
	source, err := openPortable(ctx, from, false, log)
	if err != nil {
		return r, fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openPortable(ctx, to, true, log)
	if err != nil {
		return r, fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	copied, err := eventstore.Copy(ctx, source, target, progress)
	return CopyReport{Events: copied.Events, Imported: copied.Imported, Links: copied.Links, Log: copied.Log, View: copied.View}, err
}

// portable is an event store that is open for a copy, with the folder that it is in.
type portable struct {
	eventstore.Portable
	store  io.Closer
	folder *folder // nil: it is in none
}

// Close closes the store and gives the folder back.
func (p portable) Close() error {
	err := p.store.Close()
	if p.folder != nil {
		err = errors.Join(err, p.folder.Close())
	}
	return err
}

// openPortable opens the store at an address. One that is to be written to is made if it is not there.
func openPortable(ctx context.Context, address string, fresh bool, log *slog.Logger) (p portable, err error) {
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		store, err := postgres.Open(ctx, address, postgres.Options{Logger: log, Unfinished: fresh})
		return portable{Portable: store, store: store}, err
	}
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok || path == "" {
		return p, fmt.Errorf("%q is no event store: use sqlite:FOLDER or postgres://…", address)
	}
	return openPortableFile(path, fresh, log)
}

func openPortableFile(path string, fresh bool, log *slog.Logger) (p portable, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() || err != nil && filepath.Ext(path) != ".db" {
		path = filepath.Join(path, linksFile)
	}
	if _, err := os.Stat(path); err != nil && !fresh {
		return p, fmt.Errorf("there is no event store: %w", err)
	}
	if p.folder, err = openFolder(filepath.Dir(path)); err != nil {
		return p, err
	}
	store, err := sqlite.Open(path, sqlite.Options{Logger: log, Unfinished: fresh})
	if err != nil {
		return p, errors.Join(err, p.folder.Close())
	}
	p.Portable, p.store = store, store
	return p, nil
}
