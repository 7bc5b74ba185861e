-- Links by which anybody reads one page without signing in.

CREATE TABLE share_links (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  -- SHA-256 of the secret in the link; that itself is never stored.
  hash TEXT NOT NULL,
  -- The page and its parameters, exactly as they were shared.
  path TEXT NOT NULL,
  query TEXT NOT NULL,
  -- Whose it is, an application key's or a person's; the other is NULL.
  key_id TEXT REFERENCES keys (id),
  person_id TEXT,
  created_at_ns BIGINT NOT NULL,
  expires_at_ns BIGINT NOT NULL,
  -- NULL while it is not revoked.
  revoked_at_ns BIGINT,
  -- NULL until somebody opens it.
  last_used_at_ns BIGINT,
  PRIMARY KEY (org, id),
  FOREIGN KEY (org, person_id) REFERENCES people (org, id)
);
-- A link names no organisation, so that it is found by its hash alone.
CREATE UNIQUE INDEX share_links_by_hash ON share_links (hash);
