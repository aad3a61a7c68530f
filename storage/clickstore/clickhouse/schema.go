package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"snowlink/shortener"
)

// schemas bring a database from one format to the next: the first one an empty database to format 1.
var schemas = []string{"schema1"}

// ready brings the database up to date, once.
func (s *Store) ready(ctx context.Context) error {
	if s.opened.Load() {
		return nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.opened.Load() {
		return nil
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.opened.Store(true)
	return nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.client.adoptSettings(ctx); err != nil {
		return fmt.Errorf("read settings of the click store: %w", err)
	}
	version, err := s.format(ctx)
	if err != nil {
		return err
	}
	if version > len(schemas) {
		return shortener.Errorf(shortener.Unavailable,
			"The click store in the database %q has format %d; this version of snowlink knows formats up to %d. Run a newer one.",
			s.client.to.database, version, len(schemas))
	}
	for i := version; i < len(schemas); i++ {
		if err := s.migrate(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// format returns the format of the database: 0 if it has none of our tables.
func (s *Store) format(ctx context.Context) (int, error) {
	r, err := s.client.query(ctx, "SELECT toUInt64(max(version)) FROM format")
	var e *exception
	switch {
	case errors.As(err, &e) && e.code == unknownTable:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read format of the click store: %w", err)
	}
	return int(r.uint64()), r.err()
}

// migrate runs the statements of a schema, each of which may have run before, and then notes that all
// of them have.
func (s *Store) migrate(ctx context.Context, i int) error {
	for statement := range strings.SplitSeq(query(schemas[i]), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if err := s.client.execute(ctx, statement); err != nil {
			return fmt.Errorf("bring the click store to format %d: %w", i+1, err)
		}
	}
	if err := s.client.execute(ctx, bind("INSERT INTO format (version) VALUES (?)", i+1)); err != nil {
		return fmt.Errorf("note format %d of the click store: %w", i+1, err)
	}
	return nil
}

// adoptSettings drops the settings that the server does not know, and all of them if the user may not
// set any: a request with such a one would be refused.
func (c *client) adoptSettings(ctx context.Context) error {
	bare := *c
	bare.settings = nil
	r, err := bare.query(ctx, "SELECT name, value FROM system.settings")
	if err != nil {
		return err
	}
	known := url.Values{}
	for r.more() {
		name, value := r.string(), r.string()
		if name == "readonly" && value == "1" {
			c.settings = nil
		}
		if values, ok := c.settings[name]; ok {
			known[name] = values
		}
	}
	if c.settings != nil {
		c.settings = known
	}
	return r.err()
}
