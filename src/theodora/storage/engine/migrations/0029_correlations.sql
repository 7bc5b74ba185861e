-- GitOps: which commit of an application a commit of configuration, or an image, contains.

CREATE TABLE correlations (
  org INTEGER NOT NULL REFERENCES organisations (org),
  -- commit:SHA or image:NAME, as in sources/webhooks/correlation.py.
  key TEXT NOT NULL,
  -- Of the application; one commit of configuration may be about several.
  repository_id TEXT NOT NULL,
  repository_url TEXT NOT NULL,
  commit_sha TEXT NOT NULL,
  -- The number in the inbox of the delivery that said so; the last one counts.
  delivery BIGINT NOT NULL,
  PRIMARY KEY (org, key, repository_id)
) WITHOUT ROWID;

-- The keys of deployments, by which correlations find them.
CREATE TABLE source_keys (
  org INTEGER NOT NULL REFERENCES organisations (org),
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  thing TEXT NOT NULL,
  PRIMARY KEY (org, key, kind, thing)
) WITHOUT ROWID;
CREATE INDEX source_keys_by_thing ON source_keys (org, kind, thing);
