-- Version 3 of the schema, from version 2.

-- How often a key may be used; 0: as often as every key.
ALTER TABLE api_keys ADD COLUMN rate REAL NOT NULL DEFAULT 0; -- calls a second
ALTER TABLE api_keys ADD COLUMN burst INTEGER NOT NULL DEFAULT 0; -- calls at once
