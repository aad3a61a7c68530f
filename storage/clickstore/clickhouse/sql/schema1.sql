-- Statements end with a semicolon at the end of a line. Each may run twice, and by two processes at once.

-- The formats the database has been brought to. A program that meets a newer one than it knows refuses it.
CREATE TABLE IF NOT EXISTS format (version UInt32) ENGINE = MergeTree ORDER BY version;

-- Who set out to store which batch. An attempt claims a batch before it inserts the clicks (state 1), and
-- whoever knows that the batch counts says so of an attempt of it (state 2): it is never inserted again.
CREATE TABLE IF NOT EXISTS claims (
	producer String,
	batch    UInt64,
	attempt  UInt64,
	clicks   UInt32,
	state    UInt8
) ENGINE = ReplacingMergeTree(state) ORDER BY (producer, batch, attempt);

-- The attempts at batches that more than one may have inserted. Those named here do not count, save the least
-- one of a batch that has won. Rows are never taken away: their number tells readers whether something changed.
CREATE TABLE IF NOT EXISTS contests (
	producer String,
	batch    UInt64,
	attempt  UInt64,
	won      UInt8
) ENGINE = MergeTree ORDER BY (producer, batch, attempt);

-- One row a click. The hour comes first in the order, so that a question about a time reads little else; within
-- it the clicks of a producer follow one another, so that the columns which tell whence they came cost nearly
-- nothing. An insert is of one day, hence of one partition, hence there as a whole or not at all.
CREATE TABLE IF NOT EXISTS clicks (
	stored        Date,                   -- day of the insert, UTC
	hour          Int64,                  -- of at_ms since 1970
	producer      String,
	batch         UInt64,
	attempt       UInt64,                 -- claims.attempt
	seq           UInt64,
	at_ms         Int64,                  -- Unix milliseconds, UTC
	domain        LowCardinality(String),
	code          LowCardinality(String),
	visitor       UInt64,
	country       LowCardinality(String),
	region        LowCardinality(String),
	city          LowCardinality(String),
	referrer_host LowCardinality(String),
	referrer      LowCardinality(String), -- host and path
	channel       LowCardinality(String),
	user_agent    LowCardinality(String),
	browser       LowCardinality(String),
	os            LowCardinality(String),
	device        LowCardinality(String),
	language      LowCardinality(String),
	bot           LowCardinality(String), -- '' for a person
	rule          LowCardinality(String),
	utm_source    LowCardinality(String),
	utm_medium    LowCardinality(String),
	utm_campaign  LowCardinality(String),
	utm_term      LowCardinality(String),
	utm_content   LowCardinality(String),
	source        UInt8,                  -- 0 link, 1 qr
	head          UInt8,
	prefetch      UInt8
) ENGINE = MergeTree PARTITION BY toYYYYMM(stored) ORDER BY (hour, producer, seq);
