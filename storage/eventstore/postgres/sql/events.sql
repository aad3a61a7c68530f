-- The log and how far it was followed.

-- name: head
SELECT position FROM head;

-- name: events-of-link
SELECT position, id, domain, code, version, type, at, actor, data
FROM events WHERE domain = $1 AND code = $2 AND version <= $3 ORDER BY version;

-- name: events-after
SELECT position, id, domain, code, version, type, at, actor, data
FROM events WHERE position > $1 ORDER BY position LIMIT $2;

-- name: select-checkpoint
SELECT position FROM checkpoints WHERE name = $1;

-- name: put-checkpoint
INSERT INTO checkpoints (name, position) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET position = excluded.position;
