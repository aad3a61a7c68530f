-- A group of appends, in one transaction and two round trips: all that has to be known, then all that is written.

-- name: begin
-- Each statement sees what was committed before it began: what is read once the head is locked, stays true.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: lock-head
SELECT position FROM head FOR UPDATE;

-- name: known-links
-- $1, $2: domains and codes.
SELECT l.id, l.domain, l.code, l.target, l.title, l.note, l.tags, l.state, l.redirect_status, l.starts_at, l.expires_at,
       l.fallback_url, l.forward_query, l.version, l.created_at, l.updated_at, l.created_by
FROM unnest($1::text[], $2::text[]) AS r (domain, code) JOIN links l ON l.domain = r.domain AND l.code = r.code;

-- name: known-ids
SELECT id FROM links WHERE id = ANY ($1::bigint[]);

-- name: known-events
SELECT id, domain, code, version, position FROM events WHERE id = ANY ($1::text[]);

-- name: known-once
-- $1, $2: owners and keys, $3: now.
SELECT o.owner, o.key, o.fingerprint, o.domain, o.code, o.version
FROM unnest($1::text[], $2::bytea[]) AS r (owner, key) JOIN once o ON o.owner = r.owner AND o.key = r.key
WHERE o.expires_at > $3;

-- name: insert-events
INSERT INTO events (position, id, domain, code, version, type, at, actor, data)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::text[]);

-- name: insert-links
-- Tags are arrays in their text form: an array of arrays would need rows of one length.
INSERT INTO links (id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at,
                   fallback_url, forward_query, version, created_at, updated_at, created_by, words)
SELECT id, domain, code, target, title, note, tags::text[], state, redirect_status, starts_at, expires_at,
       fallback_url, forward_query, version, created_at, updated_at, created_by, words
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::smallint[],
            $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::text[])
  AS n (id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at,
        fallback_url, forward_query, version, created_at, updated_at, created_by, words);

-- name: update-links
UPDATE links SET domain = n.domain, code = n.code, target = n.target, title = n.title, note = n.note, tags = n.tags::text[],
       state = n.state, redirect_status = n.redirect_status, starts_at = n.starts_at, expires_at = n.expires_at,
       fallback_url = n.fallback_url, forward_query = n.forward_query, version = n.version, created_at = n.created_at,
       updated_at = n.updated_at, created_by = n.created_by, words = n.words
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::smallint[],
            $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::text[])
  AS n (id, domain, code, target, title, note, tags, state, redirect_status, starts_at, expires_at,
        fallback_url, forward_query, version, created_at, updated_at, created_by, words)
WHERE links.id = n.id;

-- name: put-once
-- An older row under a key has expired.
INSERT INTO once (owner, key, fingerprint, domain, code, version, expires_at)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, domain = excluded.domain,
  code = excluded.code, version = excluded.version, expires_at = excluded.expires_at;

-- name: set-head
UPDATE head SET position = $1;

-- name: tell
-- Whoever listens hears of it when the transaction is committed. $1: the channel, $2: the head.
SELECT pg_notify($1, $2);

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: purge-once
DELETE FROM once WHERE expires_at <= $1;
