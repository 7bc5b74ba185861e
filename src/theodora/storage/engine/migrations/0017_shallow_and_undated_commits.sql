-- Commits whose history a shallow clone cut off, and commits without a date that can be read.

-- Whether the commit was at the edge of a shallow clone, so that its parents may be missing.
ALTER TABLE commits ADD COLUMN is_shallow INTEGER NOT NULL DEFAULT 0;
-- A time of 0 stands for one that could not be read, or that said 0.
CREATE INDEX commits_without_time ON commits (repository)
  WHERE author_time_ns = 0 OR commit_time_ns = 0;
-- How many of the request's original commits lack one of their times.
ALTER TABLE pull_requests ADD COLUMN undated INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pull_requests_undated ON pull_requests (repository) WHERE undated > 0;
-- Earlier versions measured lead times from 1970 where a date could not be read.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
