-- Trigrams of words, by which events with a part of a word are found.

-- Indexed events that are in no segment yet: searches look at each. A segment is made of many.
CREATE TABLE deployment_unsegmented (
  org BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, event)
) WITHOUT ROWID;

-- The keys of a segment's events, 64 bits each, little-endian. Sixteen after another are a block.
CREATE TABLE deployment_segments (
  org BIGINT NOT NULL,
  segment BIGINT NOT NULL,
  events BLOB NOT NULL,
  PRIMARY KEY (org, segment)
) WITHOUT ROWID;

-- The trigrams that a segment's events have, and bits of the blocks that have them. They lie in
-- buckets, as there are too many for a row each.
CREATE TABLE deployment_trigrams (
  org BIGINT NOT NULL,
  bucket BIGINT NOT NULL,
  segment BIGINT NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (org, bucket, segment)
) WITHOUT ROWID;

CREATE TABLE failure_unsegmented (
  org BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, event)
) WITHOUT ROWID;

CREATE TABLE failure_segments (
  org BIGINT NOT NULL,
  segment BIGINT NOT NULL,
  events BLOB NOT NULL,
  PRIMARY KEY (org, segment)
) WITHOUT ROWID;

CREATE TABLE failure_trigrams (
  org BIGINT NOT NULL,
  bucket BIGINT NOT NULL,
  segment BIGINT NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (org, bucket, segment)
) WITHOUT ROWID;

-- Segments of these are made later, little by little.
INSERT INTO deployment_unsegmented (org, event)
  SELECT org, key FROM deployments
  WHERE key <= (SELECT value FROM counters WHERE name = 'deployments_indexed');
INSERT INTO failure_unsegmented (org, event)
  SELECT org, key FROM failures
  WHERE key <= (SELECT value FROM counters WHERE name = 'failures_indexed');
-- The organisation whose events have last become segments so.
INSERT INTO counters (name, value) VALUES ('deployments_segmented', 0), ('failures_segmented', 0);
