-- Sequences that could not be derived, such as those of a rule that this version cannot use: each
-- is tried again later, alone, and holds up no other.

CREATE TABLE parked_sequences (
  org INTEGER NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  -- Empty for deployments without an environment, of which none has an empty name.
  env TEXT NOT NULL,
  since_ns BIGINT NOT NULL,
  tried_at_ns BIGINT NOT NULL,
  next_at_ns BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (org, service, env)
) WITHOUT ROWID;

-- There is a new rule among the defaults, and path globs are matched by another engine.
INSERT INTO marks (org, kind) SELECT org, 'organisation' FROM organisations;
