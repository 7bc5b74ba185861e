-- Leases: which process does a kind of work for an organisation, and until when no other one does.

CREATE TABLE leases (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- forwarding or inbox.
  work TEXT NOT NULL,
  -- A name that the worker has for as long as its process runs.
  worker TEXT NOT NULL,
  until_ns BIGINT NOT NULL,
  PRIMARY KEY (org, work)
) WITHOUT ROWID;
ALTER TABLE forwarding DROP COLUMN leased_by;
ALTER TABLE forwarding DROP COLUMN leased_until_ns;
