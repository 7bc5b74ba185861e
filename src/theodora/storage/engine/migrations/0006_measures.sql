-- What metrics need of a derived deployment and its row does not hold.

CREATE TABLE deployment_measures (
  -- The key of the deployment's row; those without commits that have a lead time have none here.
  deployment INTEGER PRIMARY KEY,
  -- Of each commit with a lead time, that and its stages: storage/measures.py says how.
  spans BLOB NOT NULL,
  -- Tells whether they are what they would be written as.
  digest BIGINT NOT NULL
);
-- Everything that an earlier version has derived is yet to be measured.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
