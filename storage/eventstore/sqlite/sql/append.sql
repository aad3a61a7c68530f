-- What an append reads and writes, within the writer's transaction.

-- name: begin
-- IMMEDIATE: the lock is taken before anything is read, so that what is read stays true.
BEGIN IMMEDIATE;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: savepoint
SAVEPOINT one;

-- name: undo
ROLLBACK TO one;

-- name: release
RELEASE one;

-- name: head
SELECT coalesce(max(position), 0) FROM events;

-- name: insert-event
INSERT INTO events (position, id, domain, code, version, type, at, actor, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: event-by-id
SELECT domain, code, version, position FROM events WHERE id = ?;

-- name: insert-link
INSERT INTO links (domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at,
                   fallback_url, forward_query, version, created_at, updated_at, created_by, words, id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update-link
UPDATE links SET domain = ?, code = ?, target = ?, title = ?, note = ?, tags = ?, state = ?, redirect_status = ?,
                 starts_at = ?, expires_at = ?, fallback_url = ?, forward_query = ?, version = ?, created_at = ?,
                 updated_at = ?, created_by = ?, words = ?
WHERE id = ?;

-- name: insert-tag
INSERT INTO link_tags (tag, link) VALUES (?, ?);

-- name: delete-tag
DELETE FROM link_tags WHERE tag = ? AND link = ?;

-- name: select-once
SELECT fingerprint, domain, code, version FROM once WHERE owner = ? AND key = ? AND expires_at > ?;

-- name: put-once
-- An older row under the key has expired.
INSERT INTO once (owner, key, fingerprint, domain, code, version, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, domain = excluded.domain,
  code = excluded.code, version = excluded.version, expires_at = excluded.expires_at;

-- name: purge-once
DELETE FROM once WHERE expires_at <= ?;
