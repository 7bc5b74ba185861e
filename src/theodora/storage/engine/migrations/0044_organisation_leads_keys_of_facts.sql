-- The organisation leads the keys of facts and of what is derived from them. Rows that belong to
-- nothing, which theodora check reports, are left behind. Tables that are searched by other indexes
-- keep their row ids: SQLite has no statistics here, and would walk all of an organisation along a
-- key that the rows lie in rather than take an index that leads to a few.

CREATE TABLE new_repositories (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- Rises in each organisation.
  key BIGINT NOT NULL,
  -- `host/path`, as of every URL of the repository.
  repository_id TEXT NOT NULL,
  -- How other forms of its URL find it; NULL until the server computes it.
  match_key TEXT,
  -- How often its commits or pull requests have changed.
  generation BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (org, key)
);
INSERT INTO new_repositories (org, key, repository_id, match_key, generation)
  SELECT org, key, repository_id, match_key, generation FROM repositories;

CREATE TABLE new_commits (
  org BIGINT NOT NULL,
  -- The key of the repository's row.
  repository BIGINT NOT NULL,
  sha TEXT NOT NULL,
  -- Whether the commit itself was uploaded, and not merely told of.
  received INTEGER NOT NULL,
  -- SHAs with spaces between.
  parents TEXT NOT NULL,
  author_time_ns BIGINT NOT NULL,
  commit_time_ns BIGINT NOT NULL,
  subject TEXT NOT NULL,
  -- The whole message, subject included; empty where only the subject is known.
  message TEXT NOT NULL,
  -- A JSON array; NULL where it is not known what the commit changed.
  paths TEXT,
  author_name TEXT,
  author_email TEXT,
  is_shallow INTEGER NOT NULL DEFAULT 0,
  is_guessed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (org, repository, sha)
) WITHOUT ROWID;
INSERT INTO new_commits (
    org, repository, sha, received, parents, author_time_ns, commit_time_ns, subject, message,
    paths, author_name, author_email, is_shallow, is_guessed)
  SELECT r.org, c.repository, c.sha, c.received, c.parents, c.author_time_ns, c.commit_time_ns,
    c.subject, c.message, c.paths, c.author_name, c.author_email, c.is_shallow, c.is_guessed
  FROM commits c JOIN repositories r ON r.key = c.repository;
DROP TABLE commits;
ALTER TABLE new_commits RENAME TO commits;
CREATE INDEX commits_without_paths ON commits (org, repository, sha)
  WHERE received = 1 AND paths IS NULL;
CREATE INDEX commits_without_time ON commits (org, repository)
  WHERE author_time_ns = 0 OR commit_time_ns = 0;

CREATE TABLE new_pull_requests (
  org BIGINT NOT NULL,
  repository BIGINT NOT NULL,
  number BIGINT NOT NULL,
  -- Everything known of it, as JSON.
  document TEXT NOT NULL,
  -- How many of its commits have no time.
  undated INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (org, repository, number)
) WITHOUT ROWID;
INSERT INTO new_pull_requests (org, repository, number, document, undated)
  SELECT r.org, p.repository, p.number, p.document, p.undated
  FROM pull_requests p JOIN repositories r ON r.key = p.repository;
DROP TABLE pull_requests;
ALTER TABLE new_pull_requests RENAME TO pull_requests;
CREATE INDEX pull_requests_undated ON pull_requests (org, repository) WHERE undated > 0;

DROP TABLE repositories;
ALTER TABLE new_repositories RENAME TO repositories;
CREATE UNIQUE INDEX repositories_by_id ON repositories (org, repository_id);
CREATE INDEX repositories_by_match_key ON repositories (org, match_key);

CREATE TABLE new_deployment_elements (
  org BIGINT NOT NULL,
  event BIGINT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (org, event, field, value)
) WITHOUT ROWID;
INSERT INTO new_deployment_elements (org, event, field, value)
  SELECT e.org, x.event, x.field, x.value
  FROM deployment_elements x JOIN deployments e ON e.key = x.event;
DROP TABLE deployment_elements;
ALTER TABLE new_deployment_elements RENAME TO deployment_elements;

CREATE TABLE new_failure_elements (
  org BIGINT NOT NULL,
  event BIGINT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (org, event, field, value)
) WITHOUT ROWID;
INSERT INTO new_failure_elements (org, event, field, value)
  SELECT e.org, x.event, x.field, x.value
  FROM failure_elements x JOIN failures e ON e.key = x.event;
DROP TABLE failure_elements;
ALTER TABLE new_failure_elements RENAME TO failure_elements;

CREATE TABLE new_deployment_measures (
  org BIGINT NOT NULL,
  -- The key of the deployment's row; those without commits that have a lead time have none here.
  deployment BIGINT NOT NULL,
  -- Of each commit with a lead time, that and its stages: storage/derivation/commit_times.py.
  spans BLOB NOT NULL,
  -- How many commits are newer than the deployment.
  negative_spans INTEGER NOT NULL DEFAULT 0,
  -- Tells whether they are what they would be written as.
  digest BIGINT NOT NULL,
  PRIMARY KEY (org, deployment)
) WITHOUT ROWID;
INSERT INTO new_deployment_measures (org, deployment, spans, negative_spans, digest)
  SELECT e.org, m.deployment, m.spans, m.negative_spans, m.digest
  FROM deployment_measures m JOIN deployments e ON e.key = m.deployment;
DROP TABLE deployment_measures;
ALTER TABLE new_deployment_measures RENAME TO deployment_measures;

CREATE TABLE new_verdicts (
  org BIGINT NOT NULL,
  -- The key of the deployment's row.
  deployment BIGINT NOT NULL,
  change_failure INTEGER,
  remediation_id TEXT,
  remediation_version TEXT,
  remediation_type TEXT,
  given_by TEXT NOT NULL DEFAULT '',
  given_at_ns BIGINT NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  -- The remediation that the rules found.
  linked_id TEXT,
  linked_type TEXT,
  -- A JSON array of the failures that it caused; NULL without any.
  failure_ids TEXT,
  PRIMARY KEY (org, deployment)
);
INSERT INTO new_verdicts (
    org, deployment, change_failure, remediation_id, remediation_version, remediation_type,
    given_by, given_at_ns, reason, linked_id, linked_type, failure_ids)
  SELECT org, deployment, change_failure, remediation_id, remediation_version, remediation_type,
    given_by, given_at_ns, reason, linked_id, linked_type, failure_ids FROM verdicts;
DROP TABLE verdicts;
ALTER TABLE new_verdicts RENAME TO verdicts;
CREATE INDEX verdicts_by_remediation_id ON verdicts (org, remediation_id)
  WHERE remediation_id IS NOT NULL;
CREATE INDEX verdicts_by_remediation_version ON verdicts (org, remediation_version)
  WHERE remediation_version IS NOT NULL;
CREATE INDEX verdicts_by_linked_id ON verdicts (org, linked_id) WHERE linked_id IS NOT NULL;
CREATE INDEX verdicts_with_failures ON verdicts (org) WHERE failure_ids IS NOT NULL;

CREATE TABLE new_verdict_acts (
  org BIGINT NOT NULL,
  -- From the counter of receipts: in the order of recording.
  number BIGINT NOT NULL,
  -- The key of the deployment's row.
  deployment BIGINT NOT NULL,
  given_at_ns BIGINT NOT NULL,
  given_by TEXT NOT NULL,
  -- Whether the verdict was taken back; then the columns that follow say nothing.
  is_removal INTEGER NOT NULL,
  change_failure INTEGER,
  remediation_id TEXT,
  remediation_version TEXT,
  remediation_type TEXT,
  reason TEXT NOT NULL,
  failure_ids TEXT,
  PRIMARY KEY (org, number)
);
INSERT INTO new_verdict_acts (
    org, number, deployment, given_at_ns, given_by, is_removal, change_failure, remediation_id,
    remediation_version, remediation_type, reason, failure_ids)
  SELECT org, number, deployment, given_at_ns, given_by, is_removal, change_failure,
    remediation_id, remediation_version, remediation_type, reason, failure_ids FROM verdict_acts;
DROP TABLE verdict_acts;
ALTER TABLE new_verdict_acts RENAME TO verdict_acts;
CREATE INDEX verdict_acts_by_deployment ON verdict_acts (org, deployment, given_at_ns, number);
