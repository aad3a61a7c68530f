package service

import (
	"context"
	"errors"
	"fmt"
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
	if samePlace(from, to) {
		return r, errors.New("--from and --to are the same event store: name an empty one by --to")
	}
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
	if err != nil {
		return r, err
	}
	found, err := target.store.Verify(ctx, nil)
	if err == nil && !found.OK() {
		err = fmt.Errorf("the copy is equal, and so both have %d fault(s): run snowlink events verify on the source", found.Count)
	}
	return CopyReport{Events: copied.Events, Imported: copied.Imported, Links: copied.Links, Log: copied.Log, View: copied.View}, err
}

// samePlace reports whether both are one folder or file. That two addresses are of one database shows later.
func samePlace(a, b string) bool {
	first, isFile := strings.CutPrefix(a, "sqlite:")
	second, areFiles := strings.CutPrefix(b, "sqlite:")
	if !isFile || !areFiles {
		return a == b
	}
	one, err := os.Stat(sqliteFile(first))
	if err != nil {
		return false
	}
	other, err := os.Stat(sqliteFile(second))
	return err == nil && os.SameFile(one, other)
}

// portable is an event store that is open for a copy, with the folder that it is in.
type portable struct {
	eventstore.Portable
	store interface {
		Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error)
		Close() error
	}
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
		return p, errors.New("this is no address of an event store: use sqlite:FOLDER or postgres://…") // it may have a password in it
	}
	return openPortableFile(path, fresh, log)
}

// sqliteFile returns the file of a store that is named by itself or by its folder.
func sqliteFile(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() || err != nil && filepath.Ext(path) != ".db" {
		return filepath.Join(path, linksFile)
	}
	return path
}

func openPortableFile(path string, fresh bool, log *slog.Logger) (p portable, err error) {
	path = sqliteFile(path)
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
