-- The parts of a list: the first, any of the conditions, and an order. All stores understand them.

-- name: list
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by
FROM links WHERE

-- name: list-present
state <> 2

-- name: list-active
state = 0 AND (expires_at = 0 OR expires_at > ?) AND starts_at <= ?

-- name: list-scheduled
state = 0 AND (expires_at = 0 OR expires_at > ?) AND starts_at > ?

-- name: list-expired
state = 0 AND expires_at <> 0 AND expires_at <= ?

-- name: list-disabled
state = 1

-- name: list-deleted
state = 2

-- name: list-word
words LIKE ? ESCAPE '\'

-- name: list-domain
domain = ?

-- name: list-after-created
(created_at, id) < (?, ?)

-- name: list-after-updated
(updated_at, id) < (?, ?)

-- name: list-by-created
ORDER BY created_at DESC, id DESC LIMIT ?

-- name: list-by-updated
ORDER BY updated_at DESC, id DESC LIMIT ?
