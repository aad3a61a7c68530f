-- Rebuilding and checking the view. These walk whole tables, for longer than other statements may.

-- name: begin-snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: take-your-time
SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', $1, true),
       set_config('enable_seqscan', 'on', true);

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

-- name: gaps
-- Each run of positions that the log lacks: its first and its last.
SELECT before + 1, position - 1
FROM (SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS before FROM events) e
WHERE position <> before + 1;

-- name: ends
-- Where the head is and where the log ends.
SELECT (SELECT position FROM head), (SELECT coalesce(max(position), 0) FROM events);
