-- How long the stages of a deployment's lead times took: the mean over the commits that went through
-- each, in seconds.

ALTER TABLE deployments ADD COLUMN avg_time_to_pr_ready BIGINT;
ALTER TABLE deployments ADD COLUMN avg_review_time BIGINT;
ALTER TABLE deployments ADD COLUMN avg_merge_time BIGINT;
ALTER TABLE deployments ADD COLUMN avg_time_to_deploy BIGINT;
-- Earlier versions did not store them.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
