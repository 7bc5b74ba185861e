-- What AI impact reads: the commits that each deployment counts, and the clock of their authors.

-- How far the author's clock is ahead of UTC; NULL where the source does not say so.
ALTER TABLE commits ADD COLUMN author_offset_minutes INTEGER;

CREATE TABLE deployment_commits (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- The key of the deployment's row; those that count no commits have none here.
  deployment BIGINT NOT NULL,
  -- JSON, with authors and the assistants they named: storage/derivation/shipped_commits.py.
  commits TEXT NOT NULL,
  PRIMARY KEY (org, deployment)
) WITHOUT ROWID;
-- Earlier versions did not store them.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
