-- Bringing a schema up to date, in one transaction.

-- name: wait-for-others
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true);

-- name: lock
-- Several processes may start at once: one of them works, the others wait and find it done. $1: any number
-- that nobody else uses.
SELECT pg_advisory_xact_lock($1);

-- name: schema
-- The schema that is used: its name, '' if there is none; its oid; whether our tables are in it; a table in
-- it that belongs to no extension, '' if there is none; the encoding of the database; whether the disk is waited for.
SELECT coalesce(current_schema(), ''),
       coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)::bigint,
       to_regclass(quote_ident(current_schema()) || '.snowlink_schema') IS NOT NULL,
       coalesce((SELECT relname::text FROM pg_class c
                 WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                   AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                   AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
                 ORDER BY relname LIMIT 1), ''),
       current_setting('server_encoding'),
       current_setting('fsync') = 'on';

-- name: version
SELECT version FROM snowlink_schema;

-- name: create-version
CREATE TABLE snowlink_schema (version integer NOT NULL);

-- name: insert-version
INSERT INTO snowlink_schema (version) VALUES ($1);

-- name: update-version
UPDATE snowlink_schema SET version = $1;
