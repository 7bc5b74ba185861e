-- Lines of one's own on charts: what a team or an organisation aims at. No figure is compared with them.

CREATE TABLE goals (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- The name of a metric.
  metric TEXT NOT NULL,
  -- What it is for; both are empty for everything, and at most one is given.
  service TEXT NOT NULL,
  team TEXT NOT NULL,
  -- Seconds, a share of 1, or deployments a day.
  value DOUBLE PRECISION NOT NULL,
  set_at_ns BIGINT NOT NULL,
  -- Name of the key or the person.
  set_by TEXT NOT NULL,
  PRIMARY KEY (org, metric, service, team)
) WITHOUT ROWID;
