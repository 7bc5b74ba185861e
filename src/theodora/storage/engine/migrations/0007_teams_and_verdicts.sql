-- Teams that settings give to events sent without one, and what was ever said by hand.

-- Whether the team is that of the services, from the settings: no document named it.
ALTER TABLE deployments ADD COLUMN team_is_filled_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE failures ADD COLUMN team_is_filled_in INTEGER NOT NULL DEFAULT 0;

-- Verdicts by hand as they were given and removed, each whole; in `verdicts` is what counts now.
CREATE TABLE verdict_acts (
  -- From the counter of receipts: in the order of recording.
  number INTEGER PRIMARY KEY,
  org INTEGER NOT NULL,
  -- The key of the deployment's row.
  deployment BIGINT NOT NULL,
  given_at_ns BIGINT NOT NULL,
  given_by TEXT NOT NULL,
  -- Whether the verdict was taken back; then the columns that follow say nothing.
  is_removal INTEGER NOT NULL,
  change_failure INTEGER,
  remediation_id TEXT,
  remediation_version TEXT,
  remediation_type TEXT,
  reason TEXT NOT NULL
);
CREATE INDEX verdict_acts_by_deployment ON verdict_acts (deployment, given_at_ns, number);
CREATE INDEX verdict_acts_by_org ON verdict_acts (org, number);
-- What earlier versions have kept is the latest act of each deployment.
INSERT INTO verdict_acts (
  number, org, deployment, given_at_ns, given_by, is_removal,
  change_failure, remediation_id, remediation_version, remediation_type, reason
)
SELECT
  deployment, org, deployment, given_at_ns, given_by, 0,
  change_failure, remediation_id, remediation_version, remediation_type, reason
FROM verdicts;

-- Services whose team has been set otherwise, until all their failures have it; the service ''
-- stands for the whole organisation.
CREATE TABLE stale_teams (
  org INTEGER NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  -- Failures with keys up to this one have been seen to.
  up_to BIGINT NOT NULL,
  PRIMARY KEY (org, service)
);
