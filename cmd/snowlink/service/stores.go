package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/spool"
	"snowlink/shortener"
	"snowlink/shortener/ingest"
	"snowlink/storage/clickstore"
	"snowlink/storage/clickstore/clickhouse"
	"snowlink/storage/clickstore/clicks"
	"snowlink/storage/eventstore"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/eventstore/sqlite"
	"snowlink/storage/linkshards"
	"snowlink/web/api"
)

// The names in the data folder.
const (
	linksFile   = "links.db"
	clicksFile  = "clicks.duckdb"
	spoolFolder = "spool"
)

// eventStore is what the roles ask of the event store, each its own part.
type eventStore interface {
	shortener.Log
	api.Lister
	api.KeyStore
	api.Salter
	keyStore
	membershipStore
	linkshards.FollowedLog
	linkshards.Links
	NewestID(ctx context.Context) (int64, error)
	Meta(ctx context.Context, name string, fresh func() []byte) ([]byte, error)
	Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error)
	Replay(ctx context.Context, progress func(done, total int64)) error
	Close() error
}

// clickStore is what the roles ask of the click store, each its own part.
type clickStore interface {
	api.ClickReader
	ingest.Store
	Verify(ctx context.Context) (clicks.Report, error)
	Ping(ctx context.Context) error
	Close() error
}

// stores are the stores that the roles of this process need: the others are nil.
type stores struct {
	folder *folder
	events eventStore
	clicks clickStore
	spool  *spool.Spool
}

// openStores takes the data folder and opens what belongs to this process alone. What was opened before an
// error is closed.
func openStores(ctx context.Context, cfg config.Config, log *slog.Logger) (s *stores, err error) {
	s = &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.folder, err = openFolder(cfg.DataDir); err != nil {
		return s, err
	}
	if cfg.Plays(config.API) || cfg.Plays(config.Worker) {
		if err := s.openClicks(ctx, cfg); err != nil {
			return s, fmt.Errorf("open the click store: %w", err)
		}
	}
	if cfg.Plays(config.Edge) {
		return s, s.openSpool(cfg, log)
	}
	return s, nil
}

// openClicks opens the click store. A ClickHouse that does not answer is waited for by those who ask it.
func (s *stores) openClicks(ctx context.Context, cfg config.Config) error {
	if cfg.ClickHouse() {
		clicks, err := clickhouse.Open(ctx, cfg.ClickStore, clickhouse.Options{Threads: cfg.ClickThreads})
		if err == nil {
			s.clicks = clicks
		}
		return err
	}
	clicks, err := clickstore.Open(s.folder.join(clicksFile), clickstore.Options{MemoryLimit: cfg.ClickMemory, Threads: cfg.ClickThreads})
	if err == nil {
		s.clicks = clicks
	}
	return err
}

// openEvents opens the event store. The error is Unavailable if it is one of several processes and does
// not answer.
func (s *stores) openEvents(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if cfg.Postgres() {
		events, err := postgres.Open(ctx, cfg.EventStore, postgres.Options{Logger: log})
		if err == nil {
			s.events = events
		}
		return err
	}
	events, err := sqlite.Open(s.folder.join(linksFile), sqlite.Options{Logger: log})
	if err == nil {
		s.events = events
	}
	return err
}

func (s *stores) openSpool(cfg config.Config, log *slog.Logger) (err error) {
	durability := spool.Process
	if cfg.ClickDurability == "power" {
		durability = spool.Power
	}
	s.spool, err = spool.Open(spool.Config{Dir: s.folder.join(spoolFolder), MaxBytes: cfg.SpoolBytes, Durability: durability})
	if err != nil {
		return fmt.Errorf("open the click spool: %w", err)
	}
	if r := s.spool.Recovery(); r.Frames > 0 || r.Truncated > 0 || r.Quarantined > 0 {
		log.Info("click spool recovered", "clicks", r.Frames, "batches", r.Batches, "truncated_bytes", r.Truncated,
			"quarantined", r.Quarantined, "left_out", r.LeftOut)
	}
	return nil
}

// Close closes what is open: the spool first, whose clicks are kept, the folder last.
func (s *stores) Close() error {
	var faults []error
	if s.spool != nil {
		faults = append(faults, s.spool.Close())
	}
	if s.clicks != nil {
		faults = append(faults, s.clicks.Close())
	}
	if s.events != nil {
		faults = append(faults, s.events.Close())
	}
	if s.folder != nil {
		faults = append(faults, s.folder.Close())
	}
	return errors.Join(faults...)
}

// secrets are what an installation keeps for itself, made once.
type secrets struct {
	id      string // names the installation, not secret
	codes   []byte // key of the permutation of codes: never changes
	cursors []byte
	session []byte // seals sessions of the dashboard
	cluster string // what internal calls are known by
}

func readSecrets(ctx context.Context, store eventStore) (secrets, error) {
	fresh := func() []byte { key := make([]byte, 32); _, _ = rand.Read(key); return key }
	read := map[string][]byte{"installation": nil, "code-permutation": nil, "cursors": nil, "cluster": nil, "sessions": nil}
	for name := range read {
		value, err := store.Meta(ctx, name, fresh)
		if err != nil {
			return secrets{}, fmt.Errorf("read the secret %s: %w", name, err)
		}
		read[name] = value
	}
	return secrets{
		id: hex.EncodeToString(read["installation"][:8]), codes: read["code-permutation"],
		cursors: read["cursors"], cluster: hex.EncodeToString(read["cluster"]), session: read["sessions"],
	}, nil
}
