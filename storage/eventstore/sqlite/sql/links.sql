-- The view of links.

-- name: select-link
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by
FROM links WHERE domain = ? AND code = ?;

-- name: newest-id
SELECT coalesce(max(id), 0) FROM links;

-- name: links-after
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by
FROM links WHERE id > ? ORDER BY id LIMIT ?;

-- name: count-links
SELECT count(*) FROM links;

-- name: has-tag
-- The condition of a list.
id IN (SELECT link FROM link_tags WHERE tag = ?)
