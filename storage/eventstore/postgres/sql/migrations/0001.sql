-- Version 1 of the schema. Times are Unix milliseconds, 0 for none. What is compared and sorted is so by
-- its bytes, whatever the order of the database is.

-- Where the log ends. Whoever appends locks the row first, so that positions have no gaps and are given in
-- the order of commits: a sequence promises neither. Updates stay within the page.
CREATE TABLE head (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  position bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head (position) VALUES (0);

-- Every change of every link.
CREATE TABLE events (
  position bigint PRIMARY KEY,
  id       text COLLATE "C" NOT NULL UNIQUE,
  domain   text COLLATE "C" NOT NULL,
  code     text COLLATE "C" NOT NULL,
  version  bigint NOT NULL,
  type     text   NOT NULL,
  at       bigint NOT NULL,
  actor    text   NOT NULL,
  data     text   NOT NULL, -- JSON as it was given, '' for none; jsonb would write it anew
  UNIQUE (domain, code, version)
);

-- The view: the fold of each link's events, written in the transaction that appends them.
CREATE TABLE links (
  id              bigint PRIMARY KEY, -- the snowflake
  domain          text COLLATE "C" NOT NULL,
  code            text COLLATE "C" NOT NULL,
  target          text     NOT NULL,
  title           text     NOT NULL,
  note            text     NOT NULL,
  tags            text[]   NOT NULL,
  state           smallint NOT NULL,
  redirect_status smallint NOT NULL,
  starts_at       bigint   NOT NULL,
  expires_at      bigint   NOT NULL,
  fallback_url    text     NOT NULL,
  forward_query   boolean  NOT NULL,
  version         bigint   NOT NULL,
  created_at      bigint   NOT NULL,
  updated_at      bigint   NOT NULL,
  created_by      text     NOT NULL,
  words           text COLLATE "C" NOT NULL, -- what a search looks through, in lower case
  UNIQUE (domain, code)
);

-- A list walks one of these two until it has enough, past the links that it does not select.
CREATE INDEX links_created ON links (created_at, id);
CREATE INDEX links_updated ON links (updated_at, id);
-- Selections that may be so rare that the walk would be long. Links that are none of these cost nothing.
CREATE INDEX links_tags     ON links USING gin (tags) WHERE tags <> '{}';
CREATE INDEX links_disabled ON links (created_at, id) WHERE state = 1;
CREATE INDEX links_deleted  ON links (created_at, id) WHERE state = 2;
CREATE INDEX links_starts   ON links (starts_at) WHERE starts_at <> 0;
CREATE INDEX links_expires  ON links (expires_at) WHERE expires_at <> 0;

-- Idempotency keys, with what they made: the link as of that version. A key is what a client sent, which
-- need not be text.
CREATE TABLE once (
  owner       text COLLATE "C" NOT NULL,
  key         bytea  NOT NULL,
  fingerprint bytea  NOT NULL,
  domain      text COLLATE "C" NOT NULL,
  code        text COLLATE "C" NOT NULL,
  version     bigint NOT NULL,
  expires_at  bigint NOT NULL,
  PRIMARY KEY (owner, key)
);
CREATE INDEX once_expires ON once (expires_at);

-- How far each projection has followed the log.
CREATE TABLE checkpoints (
  name     text COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL
) WITH (fillfactor = 10);

-- What an installation draws once and keeps: its id, its keys.
CREATE TABLE meta (
  name  text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

-- The salts of visitors' hashes, one a day.
CREATE TABLE salts (
  day  text COLLATE "C" PRIMARY KEY, -- 2006-01-02, UTC
  salt bytea NOT NULL
);

CREATE TABLE api_keys (
  id         text COLLATE "C" PRIMARY KEY,
  name       text   NOT NULL,
  role       text   NOT NULL,
  hash       bytea  NOT NULL UNIQUE,
  hint       text   NOT NULL,
  created_at bigint NOT NULL,
  created_by text   NOT NULL,
  expires_at bigint NOT NULL,
  revoked_at bigint NOT NULL
);

-- Which link shards there are, by epoch; what the body holds is theirs to know.
CREATE TABLE memberships (
  epoch bigint PRIMARY KEY, -- gapless, from 1
  body  bytea  NOT NULL
);
