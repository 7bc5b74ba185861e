-- Repositories that the server fetches commits from itself.

CREATE TABLE mirrors (
  org INTEGER NOT NULL REFERENCES organisations (org),
  repository_id TEXT NOT NULL,
  -- Without credentials.
  url TEXT NOT NULL,
  -- When it was last fetched, whether that went well or not; NULL before the first time.
  tried_at_ns BIGINT,
  -- Why that failed; NULL where it went well.
  error TEXT,
  PRIMARY KEY (org, repository_id)
);
