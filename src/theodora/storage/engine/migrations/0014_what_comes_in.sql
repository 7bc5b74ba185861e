-- What came in with which key, what was refused and why, since when things wait to be derived, who
-- wrote a commit, and which rule judged a deployment failed.

CREATE TABLE key_activity (
  org INTEGER NOT NULL REFERENCES organisations (org),
  key_id TEXT NOT NULL,
  -- What was sent: see storage/reception.py.
  kind TEXT NOT NULL,
  first_at_ns BIGINT NOT NULL,
  last_at_ns BIGINT NOT NULL,
  -- Requests that were accepted.
  requests BIGINT NOT NULL,
  PRIMARY KEY (org, key_id, kind)
) WITHOUT ROWID;

-- Bounded for each organisation: those that are oldest go.
CREATE TABLE refusals (
  org INTEGER NOT NULL REFERENCES organisations (org),
  key_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status INTEGER NOT NULL,
  -- Where in the document the first problem was; empty for what is about all of it.
  place TEXT NOT NULL,
  requests BIGINT NOT NULL,
  first_at_ns BIGINT NOT NULL,
  last_at_ns BIGINT NOT NULL,
  -- What the last one was told, cut short.
  message TEXT NOT NULL,
  PRIMARY KEY (org, key_id, kind, status, place)
) WITHOUT ROWID;

-- NULL for what earlier versions have marked.
ALTER TABLE marks ADD COLUMN marked_at_ns BIGINT;

-- NULL where it is not known; earlier versions did not keep it.
ALTER TABLE commits ADD COLUMN author_name TEXT;
ALTER TABLE commits ADD COLUMN author_email TEXT;

-- Of a deployment that failed, the id of the rule that says so, `override` or `incident`.
ALTER TABLE deployments ADD COLUMN failed_by TEXT;
-- Why it has no lead time although its commits are known: `baseline`, `gap`; else NULL.
ALTER TABLE deployments ADD COLUMN lead_time_status TEXT;
-- Of what earlier versions have derived, both are yet to be told.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
