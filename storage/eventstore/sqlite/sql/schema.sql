-- Version 1 of the schema. Times are Unix milliseconds, 0 for none.

-- Every change of every link. position is given by the writer: gapless, in commit order.
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  id       TEXT    NOT NULL UNIQUE,
  domain   TEXT    NOT NULL,
  code     TEXT    NOT NULL,
  version  INTEGER NOT NULL,
  type     TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  actor    TEXT    NOT NULL,
  data     TEXT    NOT NULL, -- JSON, '' for none
  UNIQUE (domain, code, version)
);

-- The view: the fold of each link's events, written in the transaction that appends them.
CREATE TABLE links (
  id              INTEGER PRIMARY KEY, -- the snowflake
  domain          TEXT    NOT NULL,
  code            TEXT    NOT NULL,
  target          TEXT    NOT NULL,
  title           TEXT    NOT NULL,
  note            TEXT    NOT NULL,
  tags            TEXT    NOT NULL, -- JSON array
  state           INTEGER NOT NULL,
  redirect_status INTEGER NOT NULL,
  starts_at       INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  fallback_url    TEXT    NOT NULL,
  forward_query   INTEGER NOT NULL,
  version         INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  created_by      TEXT    NOT NULL,
  words           TEXT    NOT NULL, -- what a search looks through, in lower case
  UNIQUE (domain, code)
);
CREATE INDEX links_created ON links (created_at, id);
CREATE INDEX links_updated ON links (updated_at, id);

-- The tags of links, for lists by tag.
CREATE TABLE link_tags (
  tag  TEXT    NOT NULL,
  link INTEGER NOT NULL, -- links.id
  PRIMARY KEY (tag, link)
) WITHOUT ROWID;

-- Idempotency keys, with what they made: the link as of that version.
CREATE TABLE once (
  owner       TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,
  domain      TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX once_expires ON once (expires_at);

-- How far each projection has followed the log.
CREATE TABLE checkpoints (
  name     TEXT    PRIMARY KEY,
  position INTEGER NOT NULL
) WITHOUT ROWID;

-- What an installation draws once and keeps: its id, its keys.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

-- The salts of visitors' hashes, one a day.
CREATE TABLE salts (
  day  TEXT PRIMARY KEY, -- 2006-01-02, UTC
  salt BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_keys (
  id         TEXT    PRIMARY KEY,
  name       TEXT    NOT NULL,
  role       TEXT    NOT NULL,
  hash       BLOB    NOT NULL UNIQUE,
  hint       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT    NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL
) WITHOUT ROWID;
