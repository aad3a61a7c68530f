-- API keys.

-- name: insert-key
INSERT INTO api_keys (id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: update-known-key
-- The key with that secret, whatever its id. Its id, date and author are kept.
UPDATE api_keys SET name = $1, role = $2, hint = $3, expires_at = $4, revoked_at = $5, rate = $6, burst = $7 WHERE hash = $8;

-- name: put-key
-- The date and author of a key that is there already are kept.
INSERT INTO api_keys (id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, hash = excluded.hash,
  hint = excluded.hint, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at, rate = excluded.rate, burst = excluded.burst;

-- name: select-keys
SELECT id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst
FROM api_keys ORDER BY created_at, id;

-- name: key-by-hash
SELECT id, name, role, hash, hint, created_at, created_by, expires_at, revoked_at, rate, burst
FROM api_keys WHERE hash = $1;

-- name: revoke-key
-- The first revocation stands.
UPDATE api_keys SET revoked_at = CASE revoked_at WHEN 0 THEN $1 ELSE revoked_at END WHERE id = $2;
