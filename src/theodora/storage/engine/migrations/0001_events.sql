-- Organisations, keys, and the two kinds of events with their tags and postings.
-- Portable on purpose: keys made by the store, instants as integers in nanoseconds,
-- booleans as 0 and 1.

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
-- Numbers every receipt of an event; the first receipt's number is the event's key.
INSERT INTO counters (name, value) VALUES ('receipt', 0);
-- The key of the newest event that postings, words and numbers know of. Those are written in
-- batches, in order, since each lies on a page of its own; readers look at what is newer besides.
INSERT INTO counters (name, value) VALUES ('deployments_indexed', 0), ('failures_indexed', 0);

CREATE TABLE organisations (
  org INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  created_at_ns BIGINT NOT NULL
);

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  org INTEGER NOT NULL REFERENCES organisations (org),
  kind TEXT NOT NULL CHECK (kind IN ('api', 'application')),
  name TEXT NOT NULL,
  -- SHA-256 of the key; the key itself is never stored.
  hash TEXT NOT NULL UNIQUE,
  -- Space-separated.
  permissions TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  revoked_at_ns BIGINT
);

CREATE TABLE deployments (
  key INTEGER PRIMARY KEY,
  org INTEGER NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  identity TEXT NOT NULL,
  has_own_id INTEGER NOT NULL,
  receipt BIGINT NOT NULL,
  service TEXT NOT NULL,
  env TEXT,
  team TEXT,
  version TEXT,
  started_at_ns BIGINT NOT NULL,
  finished_at_ns BIGINT NOT NULL,
  commit_sha TEXT,
  repository_id TEXT,
  repository_url TEXT,
  -- A JSON array, in the order sent; NULL where there are none.
  custom_tags TEXT,
  source TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  change_failure INTEGER,
  deployment_type TEXT NOT NULL DEFAULT 'standard',
  remediation_id TEXT,
  remediation_type TEXT,
  recovery_time_sec BIGINT,
  number_of_commits BIGINT,
  change_lead_time BIGINT,
  duration BIGINT NOT NULL,
  -- The attributes as responses write them, without the instants.
  document TEXT NOT NULL,
  -- What free text is searched in: each value's words between spaces, a value a line.
  words TEXT NOT NULL
);
CREATE UNIQUE INDEX deployments_by_id ON deployments (org, id);
-- An id follows from the identity, unless the client gave one.
CREATE INDEX deployments_by_identity ON deployments (org, identity) WHERE has_own_id = 1;
CREATE INDEX deployments_by_started_at ON deployments (org, started_at_ns);
CREATE INDEX deployments_by_finished_at ON deployments (org, finished_at_ns);
CREATE INDEX deployments_by_created_at ON deployments (org, created_at_ns);
CREATE INDEX deployments_failed ON deployments (org, started_at_ns) WHERE change_failure = 1;
CREATE INDEX deployments_remedying ON deployments (org, started_at_ns)
  WHERE deployment_type <> 'standard';
CREATE INDEX deployments_remedied ON deployments (org, remediation_id)
  WHERE remediation_id IS NOT NULL;

-- The elements of arrays, one a row: the field is `@key` for a tag `key:value`.
CREATE TABLE deployment_elements (
  event BIGINT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (event, field, value)
) WITHOUT ROWID;

-- Time-ordered: a term's events, newest last. A term is `field:value`, or `@key:value` of a tag.
CREATE TABLE deployment_postings (
  org INTEGER NOT NULL,
  term TEXT NOT NULL,
  started_at_ns BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, term, started_at_ns, event)
) WITHOUT ROWID;

-- Numbers in order: what events are sorted and ranged by, besides instants.
CREATE TABLE deployment_numbers (
  org INTEGER NOT NULL,
  field TEXT NOT NULL,
  value BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, field, value, event)
) WITHOUT ROWID;

-- Which terms hold a word. Never shrinks: a term without postings matches no event.
CREATE TABLE deployment_words (
  org INTEGER NOT NULL,
  word TEXT NOT NULL,
  term TEXT NOT NULL,
  PRIMARY KEY (org, word, term)
) WITHOUT ROWID;

-- Verdicts given by hand; they outlive the document they judge being sent again.
CREATE TABLE verdicts (
  deployment BIGINT PRIMARY KEY,
  org INTEGER NOT NULL,
  change_failure INTEGER,
  remediation_id TEXT,
  remediation_version TEXT,
  remediation_type TEXT
);
CREATE INDEX verdicts_by_remediation_id ON verdicts (org, remediation_id)
  WHERE remediation_id IS NOT NULL;
CREATE INDEX verdicts_by_remediation_version ON verdicts (org, remediation_version)
  WHERE remediation_version IS NOT NULL;

CREATE TABLE failures (
  key INTEGER PRIMARY KEY,
  org INTEGER NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  identity TEXT NOT NULL,
  has_own_id INTEGER NOT NULL,
  receipt BIGINT NOT NULL,
  -- A JSON array, in the order sent; NULL where there are none.
  services TEXT,
  env TEXT,
  team TEXT,
  version TEXT,
  name TEXT,
  severity TEXT,
  started_at_ns BIGINT NOT NULL,
  finished_at_ns BIGINT,
  commit_sha TEXT,
  repository_id TEXT,
  repository_url TEXT,
  custom_tags TEXT,
  source TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  time_to_restore BIGINT,
  document TEXT NOT NULL,
  words TEXT NOT NULL
);
CREATE UNIQUE INDEX failures_by_id ON failures (org, id);
-- An id follows from the identity, unless the client gave one.
CREATE INDEX failures_by_identity ON failures (org, identity) WHERE has_own_id = 1;
CREATE INDEX failures_by_started_at ON failures (org, started_at_ns);
CREATE INDEX failures_by_finished_at ON failures (org, finished_at_ns)
  WHERE finished_at_ns IS NOT NULL;
CREATE INDEX failures_by_created_at ON failures (org, created_at_ns);
-- Here `service` is a field with elements too.
CREATE TABLE failure_elements (
  event BIGINT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (event, field, value)
) WITHOUT ROWID;

CREATE TABLE failure_postings (
  org INTEGER NOT NULL,
  term TEXT NOT NULL,
  started_at_ns BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, term, started_at_ns, event)
) WITHOUT ROWID;

-- Numbers in order: what events are sorted and ranged by, besides instants.
CREATE TABLE failure_numbers (
  org INTEGER NOT NULL,
  field TEXT NOT NULL,
  value BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (org, field, value, event)
) WITHOUT ROWID;

CREATE TABLE failure_words (
  org INTEGER NOT NULL,
  word TEXT NOT NULL,
  term TEXT NOT NULL,
  PRIMARY KEY (org, word, term)
) WITHOUT ROWID;
