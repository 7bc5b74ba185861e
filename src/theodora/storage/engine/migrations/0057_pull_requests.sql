-- What pull requests are listed, searched and measured by. Everything follows from the document
-- and from commits; rows from before are filled in when the store is opened.

-- Names the request in URLs; NULL until the row is filled in.
ALTER TABLE pull_requests ADD COLUMN id TEXT;
ALTER TABLE pull_requests ADD COLUMN repository_id TEXT;
ALTER TABLE pull_requests ADD COLUMN title TEXT;
ALTER TABLE pull_requests ADD COLUMN author TEXT;
ALTER TABLE pull_requests ADD COLUMN branch TEXT;
ALTER TABLE pull_requests ADD COLUMN base TEXT;
ALTER TABLE pull_requests ADD COLUMN url TEXT;
ALTER TABLE pull_requests ADD COLUMN state TEXT;
-- JSON arrays; NULL where there is none, and where the reviewers are not known.
ALTER TABLE pull_requests ADD COLUMN labels TEXT;
ALTER TABLE pull_requests ADD COLUMN reviewers TEXT;
ALTER TABLE pull_requests ADD COLUMN commit_shas TEXT;
ALTER TABLE pull_requests ADD COLUMN is_bot INTEGER;
ALTER TABLE pull_requests ADD COLUMN number_of_commits BIGINT;
ALTER TABLE pull_requests ADD COLUMN number_of_reviewers BIGINT;
ALTER TABLE pull_requests ADD COLUMN additions BIGINT;
ALTER TABLE pull_requests ADD COLUMN deletions BIGINT;
ALTER TABLE pull_requests ADD COLUMN lines BIGINT;
ALTER TABLE pull_requests ADD COLUMN first_commit_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN opened_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN ready_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN first_reviewed_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN approved_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN merged_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN closed_at_ns BIGINT;
ALTER TABLE pull_requests ADD COLUMN updated_at_ns BIGINT;
-- Seconds.
ALTER TABLE pull_requests ADD COLUMN cycle_time BIGINT;
ALTER TABLE pull_requests ADD COLUMN time_to_ready BIGINT;
ALTER TABLE pull_requests ADD COLUMN review_time BIGINT;
ALTER TABLE pull_requests ADD COLUMN merge_time BIGINT;
-- What free text is searched in: words, with a space on either side of each.
ALTER TABLE pull_requests ADD COLUMN words TEXT;
-- The commit of its branch that is not known yet, without which the first one is not either.
ALTER TABLE pull_requests ADD COLUMN awaited_sha TEXT;

CREATE INDEX pull_requests_by_id ON pull_requests (org, id);
CREATE INDEX pull_requests_by_updated_at ON pull_requests (org, updated_at_ns);
CREATE INDEX pull_requests_by_merged_at ON pull_requests (org, merged_at_ns)
  WHERE merged_at_ns IS NOT NULL;
CREATE INDEX pull_requests_awaiting ON pull_requests (org, repository, awaited_sha)
  WHERE awaited_sha IS NOT NULL;
CREATE INDEX pull_requests_unfilled ON pull_requests (org) WHERE id IS NULL;

-- Labels, reviewers and commits, one a row.
CREATE TABLE pull_request_elements (
  org BIGINT NOT NULL,
  repository BIGINT NOT NULL,
  number BIGINT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (org, repository, number, field, value)
) WITHOUT ROWID;

-- The deployments that shipped each request first, in their sequences.
CREATE TABLE pull_request_deployments (
  org BIGINT NOT NULL,
  repository BIGINT NOT NULL,
  number BIGINT NOT NULL,
  -- The key of the deployment's row.
  deployment BIGINT NOT NULL,
  -- Whether its environment is production by the settings of its service.
  in_production INTEGER NOT NULL,
  PRIMARY KEY (org, repository, number, deployment)
) WITHOUT ROWID;
CREATE INDEX pull_request_deployments_by_deployment
  ON pull_request_deployments (org, deployment);
