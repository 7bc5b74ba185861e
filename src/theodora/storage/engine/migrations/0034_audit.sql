-- The audit log: who changed what. Rows are only added, and the oldest removed after a time.

CREATE TABLE audit_entries (
  -- 0 for what concerns the server as a whole.
  org BIGINT NOT NULL,
  -- Rises by one in each organisation.
  number BIGINT NOT NULL,
  at_ns BIGINT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_name TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  -- IP address of the client; empty without a request.
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  -- What it was done to, of the kind that the action names.
  target TEXT NOT NULL,
  -- JSON objects of what differs; empty where there was, or is, nothing.
  old_values TEXT NOT NULL,
  new_values TEXT NOT NULL,
  -- done or refused.
  outcome TEXT NOT NULL,
  -- Why it was refused, or why it was done if somebody said so.
  reason TEXT NOT NULL,
  -- SHA-256 of all of the above and of the hash before.
  hash TEXT NOT NULL,
  PRIMARY KEY (org, number)
) WITHOUT ROWID;

CREATE TABLE audit_chains (
  org BIGINT PRIMARY KEY,
  -- The newest entry.
  last_number BIGINT NOT NULL,
  last_hash TEXT NOT NULL,
  -- The newest entry that has been removed for its age; 0 and empty without any.
  removed_number BIGINT NOT NULL,
  removed_hash TEXT NOT NULL,
  -- The newest entry that a server has written to its log.
  logged_number BIGINT NOT NULL DEFAULT 0
);
