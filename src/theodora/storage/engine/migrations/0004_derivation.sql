-- What is still to be derived, who gave a verdict, and the settings that derivation goes by.

-- Appended to in the transaction of each write that derivation depends on. Of kind `sequence`,
-- the deployments of a service and env; the other kinds stand for every sequence of a
-- repository, of a service or of the organisation, until the worker takes them apart.
CREATE TABLE marks (
  -- Never used twice: what is remembered as of one number stays older than the next.
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  org INTEGER NOT NULL REFERENCES organisations (org),
  kind TEXT NOT NULL CHECK (kind IN ('sequence', 'repository', 'service', 'organisation')),
  service TEXT,
  env TEXT,
  -- The key of the one deployment that was added, changed or removed, if it was one.
  deployment BIGINT,
  -- The repository whose commits or pull requests have changed, if they have.
  repository_id TEXT
);
-- Everything that an earlier version has stored is yet to be derived.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
-- Counts derivations written: what one process remembers is worthless once another has written.
INSERT INTO counters (name, value) VALUES ('derivations', 0);

ALTER TABLE verdicts ADD COLUMN given_by TEXT NOT NULL DEFAULT '';
ALTER TABLE verdicts ADD COLUMN given_at_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE verdicts ADD COLUMN reason TEXT NOT NULL DEFAULT '';
-- The remediation that the rules found, should the verdict leave it to them.
ALTER TABLE verdicts ADD COLUMN linked_id TEXT;
ALTER TABLE verdicts ADD COLUMN linked_type TEXT;
CREATE INDEX verdicts_by_org ON verdicts (org);
CREATE INDEX verdicts_by_linked_id ON verdicts (org, linked_id) WHERE linked_id IS NOT NULL;

-- A JSON object with the settings given; the service '' stands for the whole organisation.
CREATE TABLE settings (
  org INTEGER NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (org, service)
) WITHOUT ROWID;
