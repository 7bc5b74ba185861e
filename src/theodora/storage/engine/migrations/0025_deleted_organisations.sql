-- Organisations that are to be deleted. Until that begins it can be taken back, and meanwhile
-- nobody can use them.

CREATE TABLE organisation_deletions (
  -- Refers to no row: this one stays when the organisation is gone, so that every server removes
  -- the folders that it has of it.
  org BIGINT PRIMARY KEY,
  uuid TEXT NOT NULL,
  begins_at_ns BIGINT NOT NULL,
  -- NULL until it has begun; then it cannot be taken back.
  begun_at_ns BIGINT,
  -- NULL until every row is deleted.
  finished_at_ns BIGINT
);
