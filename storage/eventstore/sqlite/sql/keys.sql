-- API keys.

-- name: insert-key
INSERT INTO api_keys (id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: put-key
-- The date and author of a key that is there already are kept.
INSERT INTO api_keys (id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, hash = excluded.hash,
  hint = excluded.hint, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at, rate = excluded.rate, burst = excluded.burst
ON CONFLICT (hash) DO UPDATE SET name = excluded.name, role = excluded.role,
  hint = excluded.hint, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at, rate = excluded.rate, burst = excluded.burst;

-- name: select-keys
SELECT id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst
FROM api_keys ORDER BY created_at, id;

-- name: key-by-hash
SELECT id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst
FROM api_keys WHERE hash = ?;

-- name: revoke-key
-- The first revocation stands.
UPDATE api_keys SET revoked_at = CASE revoked_at WHEN 0 THEN ? ELSE revoked_at END WHERE id = ?;
