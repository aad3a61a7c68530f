package clickstore

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"maps"

	"snowlink/storage/clickstore/clicks"
)

// agentCacheSize bounds the user agents that are held in memory. A deployment sees a few thousand
// that matter; the rest are looked up in the table.
const agentCacheSize = 50_000

// agentCache holds ids of user agents that are committed.
type agentCache map[string]uint32

func (c *agentCache) add(ids map[string]uint32) {
	if *c == nil || len(*c)+len(ids) > agentCacheSize {
		*c = make(agentCache)
	}
	maps.Copy(*c, ids)
}

// agentIDs returns the ids of the user agents of the batches, those that were new having been added
// to the dictionary. It leaves the cache alone: only the commit makes the new ones true.
func (s *Store) agentIDs(ctx context.Context, tx *sql.Tx, rows []row) (map[string]uint32, error) {
	ids := make(map[string]uint32)
	var unknown []string
	for _, r := range rows {
		agent := clicks.Text(r.UserAgent)
		if _, ok := ids[agent]; ok {
			continue
		}
		id, ok := s.agents[agent]
		if ids[agent] = id; !ok {
			unknown = append(unknown, agent)
		}
	}
	if len(unknown) == 0 {
		return ids, nil
	}
	known, err := lookUpAgents(ctx, tx, unknown)
	if err != nil {
		return nil, err
	}
	maps.Copy(ids, known)
	var added []string
	for _, agent := range unknown {
		if _, ok := known[agent]; !ok {
			added = append(added, agent)
		}
	}
	return ids, addAgents(ctx, tx, added, ids)
}

func lookUpAgents(ctx context.Context, tx *sql.Tx, agents []string) (map[string]uint32, error) {
	rows, err := tx.QueryContext(ctx, query("agents_by_hash"), hashes(agents))
	if err != nil {
		return nil, fmt.Errorf("look up user agents: %w", err)
	}
	defer rows.Close()
	found := make(map[string]uint32)
	for rows.Next() {
		var id uint32
		var value string
		if err := rows.Scan(&id, &value); err != nil {
			return nil, fmt.Errorf("look up user agents: %w", err)
		}
		found[value] = id
	}
	return found, rows.Err()
}

func addAgents(ctx context.Context, tx *sql.Tx, added []string, ids map[string]uint32) error {
	if len(added) == 0 {
		return nil
	}
	var next uint32
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id) + 1, 0)::UINTEGER FROM agents`).Scan(&next); err != nil {
		return fmt.Errorf("number user agents: %w", err)
	}
	numbers := make([]uint32, len(added))
	for i, agent := range added {
		numbers[i] = next + uint32(i)
		ids[agent] = numbers[i]
	}
	if _, err := tx.ExecContext(ctx, query("add_agents"), numbers, hashes(added), added); err != nil {
		return fmt.Errorf("add user agents: %w", err)
	}
	return nil
}

func hashes(values []string) []uint64 {
	out := make([]uint64, len(values))
	for i, v := range values {
		h := fnv.New64a()
		h.Write([]byte(v))
		out[i] = h.Sum64()
	}
	return out
}
