-- The log and how far it was followed.

-- name: events-of-link
SELECT position, id, domain, code, version, type, at, actor, data
FROM events WHERE domain = ? AND code = ? AND version <= ? ORDER BY version;

-- name: events-after
SELECT position, id, domain, code, version, type, at, actor, data
FROM events WHERE position > ? ORDER BY position LIMIT ?;

-- name: select-checkpoint
SELECT position FROM checkpoints WHERE name = ?;

-- name: put-checkpoint
INSERT INTO checkpoints (name, position) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET position = excluded.position;
