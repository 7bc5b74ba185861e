-- Who is signed in to the dashboard.

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  -- SHA-256 of what the browser shows; that itself is never stored.
  hash TEXT NOT NULL UNIQUE,
  -- The one before, which is good for a moment longer; NULL where there was none.
  former_hash TEXT,
  key_id TEXT NOT NULL REFERENCES keys (id),
  signed_in_at_ns BIGINT NOT NULL,
  renewed_at_ns BIGINT NOT NULL,
  seen_at_ns BIGINT NOT NULL
);
CREATE INDEX sessions_by_former_hash ON sessions (former_hash) WHERE former_hash IS NOT NULL;
