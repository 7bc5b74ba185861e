-- Limits of retention that begin later, and rounds of deleting that were refused.

-- How many events may go in one round although they are a large share: confirmed, and not yet gone.
ALTER TABLE retention ADD COLUMN confirmed BIGINT NOT NULL DEFAULT 0;

CREATE TABLE retention_plans (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  days BIGINT NOT NULL,
  begins_at_ns BIGINT NOT NULL,
  -- The events that whoever planned it was shown.
  confirmed BIGINT NOT NULL
);

CREATE TABLE retention_refusals (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  at_ns BIGINT NOT NULL,
  reason TEXT NOT NULL
);

-- When old events were last looked for, by the clock of the server that did; 0 for never.
INSERT INTO counters (name, value) VALUES ('retention_round', 0);
