-- Version 2 of the schema.

-- How often a key may be used; 0: as often as every key.
ALTER TABLE api_keys ADD COLUMN rate double precision NOT NULL DEFAULT 0; -- calls a second
ALTER TABLE api_keys ADD COLUMN burst bigint NOT NULL DEFAULT 0; -- calls at once
