-- People who sign in, and sessions that belong to one of them or to an application key.

CREATE TABLE people (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- Made from the issuer and the subject.
  id TEXT NOT NULL,
  -- Who vouches for them: the URL of an OpenID provider, or proxy.
  issuer TEXT NOT NULL,
  -- What they are called there, for ever.
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  -- As in storage/access/permissions.py.
  role TEXT NOT NULL,
  -- Whether somebody set the role here: then signing in does not change it.
  is_role_set INTEGER NOT NULL DEFAULT 0,
  -- A JSON array of the teams whose events an editor may change; empty for all.
  teams TEXT NOT NULL DEFAULT '[]',
  created_at_ns BIGINT NOT NULL,
  last_seen_at_ns BIGINT NOT NULL,
  -- NULL while they may sign in.
  disabled_at_ns BIGINT,
  PRIMARY KEY (org, id)
) WITHOUT ROWID;

CREATE TABLE new_sessions (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  -- SHA-256 of what the browser shows; that itself is never stored.
  hash TEXT NOT NULL,
  -- The one before, which is good for a moment longer; NULL where there was none.
  former_hash TEXT,
  -- Of an application key or of a person; the other is NULL.
  key_id TEXT REFERENCES keys (id),
  person_id TEXT,
  -- Where from, and with what, somebody signed in.
  address TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT '',
  signed_in_at_ns BIGINT NOT NULL,
  renewed_at_ns BIGINT NOT NULL,
  seen_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, id),
  FOREIGN KEY (org, person_id) REFERENCES people (org, id)
);
INSERT INTO new_sessions
  (org, id, hash, former_hash, key_id, signed_in_at_ns, renewed_at_ns, seen_at_ns)
  SELECT k.org, s.id, s.hash, s.former_hash, s.key_id, s.signed_in_at_ns, s.renewed_at_ns, s.seen_at_ns
  FROM sessions s JOIN keys k ON k.id = s.key_id;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_by_former_hash ON sessions (former_hash) WHERE former_hash IS NOT NULL;
CREATE INDEX sessions_by_person ON sessions (org, person_id) WHERE person_id IS NOT NULL;
