-- Which events have changed, so that what is kept of them in memory can be kept in step.

-- Appended to in the transaction of each write that changes what metrics are computed from.
-- Numbers lie in the order of commits. Old rows are removed: who is further behind reads all.
CREATE TABLE changes (
  -- Never used twice.
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  org INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('deployment', 'failure')),
  -- The key of the event's row, which may be gone.
  event BIGINT NOT NULL
);
-- What a deployment remedied, whose time to recovery depends on it.
CREATE INDEX deployments_by_remediation_id ON deployments (org, remediation_id)
  WHERE remediation_id IS NOT NULL;
