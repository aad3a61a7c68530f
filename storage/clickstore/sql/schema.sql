-- The format of the file. A program that meets a newer one refuses it.
CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL);
INSERT INTO format SELECT 1 WHERE NOT EXISTS (SELECT version FROM format);

-- Who wrote clicks. Ids are given in order and never again.
CREATE TABLE IF NOT EXISTS producers (id UINTEGER NOT NULL, name VARCHAR NOT NULL);

-- Which batches of a producer are in clicks: runs of numbers, first and last inclusive, neither
-- overlapping nor touching one another. In the long run there is one row a producer.
CREATE TABLE IF NOT EXISTS marks (producer UINTEGER NOT NULL, first UBIGINT NOT NULL, last UBIGINT NOT NULL);

-- The dictionary of user agents. The hash is FNV-1a of the value; two values may share it.
CREATE TABLE IF NOT EXISTS agents (id UINTEGER NOT NULL, hash UBIGINT NOT NULL, value VARCHAR NOT NULL);

-- One row a click, in the order in which batches arrived, which is nearly that of time: row groups
-- know their least and greatest at_ms, and a query for a time skips the others. What is not known is ''.
CREATE TABLE IF NOT EXISTS clicks (
	producer      UINTEGER NOT NULL,
	seq           UBIGINT  NOT NULL,
	batch         UBIGINT  NOT NULL,
	at_ms         BIGINT   NOT NULL, -- Unix milliseconds, UTC
	domain        VARCHAR  NOT NULL,
	code          VARCHAR  NOT NULL,
	visitor       UBIGINT  NOT NULL,
	country       VARCHAR  NOT NULL,
	region        VARCHAR  NOT NULL,
	city          VARCHAR  NOT NULL,
	referrer_host VARCHAR  NOT NULL,
	referrer      VARCHAR  NOT NULL, -- host and path
	channel       VARCHAR  NOT NULL,
	agent         UINTEGER NOT NULL, -- agents.id
	browser       VARCHAR  NOT NULL,
	os            VARCHAR  NOT NULL,
	device        VARCHAR  NOT NULL,
	language      VARCHAR  NOT NULL,
	bot           VARCHAR  NOT NULL, -- '' for a person
	rule          VARCHAR  NOT NULL,
	utm_source    VARCHAR  NOT NULL,
	utm_medium    VARCHAR  NOT NULL,
	utm_campaign  VARCHAR  NOT NULL,
	utm_term      VARCHAR  NOT NULL,
	utm_content   VARCHAR  NOT NULL,
	source        UTINYINT NOT NULL, -- 0 link, 1 qr
	head          BOOLEAN  NOT NULL,
	prefetch      BOOLEAN  NOT NULL
);
