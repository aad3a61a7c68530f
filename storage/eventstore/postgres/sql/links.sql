-- The view of links.

-- name: select-link
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by
FROM links WHERE domain = $1 AND code = $2;

-- name: newest-id
SELECT coalesce(max(id), 0) FROM links;

-- name: links-after
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by
FROM links WHERE id > $1 ORDER BY id LIMIT $2;

-- name: count-links
SELECT count(*) FROM links;

-- name: has-tag
-- The condition of a list. What it adds to the array makes it one of the index's.
tags <> '{}' AND tags @> ARRAY[?::text]
