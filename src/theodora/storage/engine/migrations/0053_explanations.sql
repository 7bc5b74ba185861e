-- What derivation found of each deployment, complete enough to explain it without the others.

ALTER TABLE deployment_measures ADD COLUMN derivation BLOB;
-- Earlier versions stored none.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;

-- The order of a sequence, for the neighbours of a deployment and how many come before it.
CREATE INDEX deployments_of_sequence
  ON deployments (org, service, coalesce(env, ''), finished_at_ns);
