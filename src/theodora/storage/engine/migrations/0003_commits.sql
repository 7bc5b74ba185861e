-- Commits and pull requests, by the repository they belong to.

CREATE TABLE repositories (
  key INTEGER PRIMARY KEY,
  org INTEGER NOT NULL REFERENCES organisations (org),
  -- `host/path`, as of every URL of the repository.
  repository_id TEXT NOT NULL
);
CREATE UNIQUE INDEX repositories_by_id ON repositories (org, repository_id);

CREATE TABLE commits (
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
  PRIMARY KEY (repository, sha)
) WITHOUT ROWID;
-- Uploaded before the trees that tell what they changed.
CREATE INDEX commits_without_paths ON commits (repository, sha)
  WHERE received = 1 AND paths IS NULL;

CREATE TABLE pull_requests (
  repository BIGINT NOT NULL,
  number BIGINT NOT NULL,
  -- Everything known of it, as JSON.
  document TEXT NOT NULL,
  PRIMARY KEY (repository, number)
) WITHOUT ROWID;
