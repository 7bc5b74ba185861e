-- How many commits of a deployment are newer than it, and so have no lead time.
ALTER TABLE deployment_measures ADD COLUMN negative_spans INTEGER NOT NULL DEFAULT 0;
-- Earlier versions did not count them.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
