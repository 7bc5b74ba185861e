-- The organisation leads the keys of API keys, of what refers to them, and of sequences.

CREATE TABLE new_keys (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('api', 'application')),
  name TEXT NOT NULL,
  -- SHA-256 of the key; the key itself is never stored.
  hash TEXT NOT NULL,
  -- Space-separated.
  permissions TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  revoked_at_ns BIGINT,
  last_used_at_ns BIGINT,
  -- The first characters; empty for a key of an older version.
  beginning TEXT NOT NULL DEFAULT '',
  expires_at_ns BIGINT,
  -- A JSON object.
  limits TEXT NOT NULL DEFAULT '{}',
  -- The key that was made when this one was rotated.
  successor_id TEXT,
  PRIMARY KEY (org, id)
);
INSERT INTO new_keys (
    org, id, kind, name, hash, permissions, created_at_ns, revoked_at_ns, last_used_at_ns,
    beginning, expires_at_ns, limits, successor_id)
  SELECT org, id, kind, name, hash, permissions, created_at_ns, revoked_at_ns, last_used_at_ns,
    beginning, expires_at_ns, limits, successor_id FROM keys;

CREATE TABLE new_sessions (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  -- SHA-256 of what the browser shows; that itself is never stored.
  hash TEXT NOT NULL,
  -- The one before, which is good for a moment longer; NULL where there was none.
  former_hash TEXT,
  -- Of an application key or of a person; the other is NULL.
  key_id TEXT,
  person_id TEXT,
  -- Where from, and with what, somebody signed in.
  address TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT '',
  signed_in_at_ns BIGINT NOT NULL,
  renewed_at_ns BIGINT NOT NULL,
  seen_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, id),
  FOREIGN KEY (org, key_id) REFERENCES new_keys (org, id),
  FOREIGN KEY (org, person_id) REFERENCES people (org, id)
);
-- A session of another organisation's key, which theodora check reports, ends here.
INSERT INTO new_sessions (
    org, id, hash, former_hash, key_id, person_id, address, browser, signed_in_at_ns,
    renewed_at_ns, seen_at_ns)
  SELECT s.org, s.id, s.hash, s.former_hash, s.key_id, s.person_id, s.address, s.browser,
    s.signed_in_at_ns, s.renewed_at_ns, s.seen_at_ns
  FROM sessions s WHERE s.key_id IS NULL
    OR EXISTS (SELECT 1 FROM keys k WHERE k.org = s.org AND k.id = s.key_id);
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_by_former_hash ON sessions (former_hash) WHERE former_hash IS NOT NULL;
CREATE INDEX sessions_by_person ON sessions (org, person_id) WHERE person_id IS NOT NULL;

CREATE TABLE new_share_links (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  -- SHA-256 of the secret in the link; that itself is never stored.
  hash TEXT NOT NULL,
  -- The page and its parameters, exactly as they were shared.
  path TEXT NOT NULL,
  query TEXT NOT NULL,
  -- Whose it is, an application key's or a person's; the other is NULL.
  key_id TEXT,
  person_id TEXT,
  created_at_ns BIGINT NOT NULL,
  expires_at_ns BIGINT NOT NULL,
  -- NULL while it is not revoked.
  revoked_at_ns BIGINT,
  -- NULL until somebody opens it.
  last_used_at_ns BIGINT,
  PRIMARY KEY (org, id),
  FOREIGN KEY (org, key_id) REFERENCES new_keys (org, id),
  FOREIGN KEY (org, person_id) REFERENCES people (org, id)
);
INSERT INTO new_share_links (
    org, id, hash, path, query, key_id, person_id, created_at_ns, expires_at_ns, revoked_at_ns,
    last_used_at_ns)
  SELECT l.org, l.id, l.hash, l.path, l.query, l.key_id, l.person_id, l.created_at_ns,
    l.expires_at_ns, l.revoked_at_ns, l.last_used_at_ns
  FROM share_links l WHERE l.key_id IS NULL
    OR EXISTS (SELECT 1 FROM keys k WHERE k.org = l.org AND k.id = l.key_id);
DROP TABLE share_links;
ALTER TABLE new_share_links RENAME TO share_links;
CREATE UNIQUE INDEX share_links_by_hash ON share_links (hash);

DROP TABLE keys;
ALTER TABLE new_keys RENAME TO keys;
-- A key is found by its secret alone, in all organisations.
CREATE UNIQUE INDEX keys_by_hash ON keys (hash);

CREATE TABLE new_sequences (
  org BIGINT NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  -- Empty for deployments without an environment, of which none has an empty name.
  env TEXT NOT NULL,
  generation BIGINT NOT NULL,
  PRIMARY KEY (org, service, env)
) WITHOUT ROWID;
INSERT INTO new_sequences (org, service, env, generation)
  SELECT org, service, coalesce(env, ''), max(generation) FROM sequences
  GROUP BY org, service, coalesce(env, '');
DROP TABLE sequences;
ALTER TABLE new_sequences RENAME TO sequences;
