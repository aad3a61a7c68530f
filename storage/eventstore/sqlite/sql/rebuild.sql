-- Rebuilding and checking the view.

-- name: count-events
SELECT count(*) FROM events;

-- name: events-by-link
-- One link after the other, so that a fold holds one link at a time.
SELECT position, id, domain, code, version, type, at, actor, data
FROM events ORDER BY domain, code, version;

-- name: links-by-ref
SELECT id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at, fallback_url,
       forward_query, version, created_at, updated_at, created_by, words
FROM links ORDER BY domain, code;

-- name: clear-links
DELETE FROM links;

-- name: clear-tags
DELETE FROM link_tags;

-- name: gaps
-- Each run of positions that the log lacks: its first and its last.
SELECT before + 1, position - 1
FROM (SELECT position, lag(position, 1, 0) OVER (ORDER BY position) AS before FROM events)
WHERE position <> before + 1;

-- name: stray-tags
-- Links whose rows in link_tags are not their tags.
SELECT l.domain, l.code FROM links l WHERE l.id IN (
  SELECT id FROM (SELECT l.id, t.value FROM links l, json_each(l.tags) t EXCEPT SELECT link, tag FROM link_tags)
  UNION
  SELECT link FROM (SELECT link, tag FROM link_tags EXCEPT SELECT l.id, t.value FROM links l, json_each(l.tags) t));

-- name: pages
PRAGMA integrity_check(20);
