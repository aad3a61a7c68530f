-- What a copy of a store takes and sets beside the log.

-- name: held-meta
SELECT name, value FROM meta;

-- name: held-salts
SELECT day, salt FROM salts;

-- name: held-once
SELECT owner, key, fingerprint, domain, code, version, expires_at FROM once WHERE expires_at > $1 ORDER BY owner, key;

-- name: held-checkpoints
SELECT name, position FROM checkpoints;

-- name: held-memberships
SELECT epoch, body FROM memberships;

-- name: clear-meta
DELETE FROM meta;

-- name: clear-salts
DELETE FROM salts;

-- name: clear-keys
DELETE FROM api_keys;

-- name: clear-once
DELETE FROM once;

-- name: clear-checkpoints
DELETE FROM checkpoints;

-- name: clear-memberships
DELETE FROM memberships;

-- name: set-membership
INSERT INTO memberships (epoch, body) VALUES ($1, $2);
