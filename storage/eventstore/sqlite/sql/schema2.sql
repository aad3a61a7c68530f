-- Version 2 of the schema, from version 1.

-- Which link shards there are, by epoch; what the body holds is theirs to know.
CREATE TABLE memberships (
  epoch INTEGER PRIMARY KEY, -- gapless, from 1
  body  BLOB    NOT NULL
);
